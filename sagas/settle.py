"""Asks the rows of some runs what comes next, and writes the answer down before anything is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from events.queues import Queue
from sagas import sql
from sagas.declare import Saga, saga
from sagas.plan import Decision, Finish, Go, RunState, StepState, Undo, plan

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Move:
    """These runs now do, or undo, these steps."""

    saga: str
    steps: tuple[str, ...]
    undo: bool
    run_ids: list[UUID]
    alone: bool = False

    @property
    def body_queue(self) -> Queue:
        """Where a chord's body runs: on the queue of the stage behind it, which it may then perform at once."""
        declared = saga(self.saga)
        if not self.undo:
            names = list(declared.steps)
            behind = names[names.index(self.steps[-1]) + 1 :]
            if behind and (following := declared.steps[behind[0]].do):
                return following.queue
        return Queue.ORDERS


@dataclass
class _Step:
    state: StepState
    in_flight: bool
    due: bool
    error_code: str
    error: str
    due_at: datetime | None
    unanswered: int


@dataclass
class _Run:
    """A run with its steps, as its rows say under our lock."""

    id: UUID
    saga: type[Saga]
    state: RunState
    aborted: bool
    steps: dict[str, _Step]

    def decide(self) -> Decision:
        signature = sorted((name, step.state, step.in_flight) for name, step in self.steps.items())
        return _decide(self.saga.name, tuple(signature), self.aborted)

    @property
    def no(self) -> tuple[str, _Step] | None:
        """The step that said no, a refusal before a failure."""
        said = [
            (name, step) for name, step in self.steps.items() if step.state in {StepState.REFUSED, StepState.FAILED}
        ]
        return min(said, key=lambda pair: pair[1].state is not StepState.REFUSED, default=None)


@dataclass
class _Outcome:
    """What one settle writes: every list is a column of one statement."""

    moves: dict[tuple[str, tuple[str, ...], bool], list[UUID]] = field(default_factory=lambda: defaultdict(list))
    suspects: list[Move] = field(default_factory=list)
    begun: list[tuple[UUID, str, float]] = field(default_factory=list)
    undone: list[tuple[UUID, str, float]] = field(default_factory=list)
    again: list[tuple[UUID, str, float]] = field(default_factory=list)
    turned: list[tuple[UUID, str, str]] = field(default_factory=list)
    finished: list[tuple[UUID, str]] = field(default_factory=list)
    wake: list[tuple[UUID, datetime]] = field(default_factory=list)

    def write(self) -> None:
        for statement, rows in (
            (sql.BEGIN, self.begun),
            (sql.BEGIN_UNDO, self.undone),
            (sql.SEND_AGAIN, self.again),
            (sql.TURN_BACK, self.turned),
            (sql.FINISH, self.finished),
            (sql.WAKE_AT, self.wake),
        ):
            if rows:
                columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
                sql.run(statement, columns)


def settle(run_ids: Sequence[UUID], *, late: bool = False) -> list[Move]:
    """Plans all of these runs in one transaction with a constant number of statements.

    Returns what has to be set going after the commit. Asking twice, or at the wrong moment, does no harm.
    `late` also sends again what is due and sets the time of the next look.
    """
    if not run_ids:
        return []
    outcome = _Outcome()
    with transaction.atomic():
        for run in _lock(run_ids):
            _settle_one(outcome, run, late=late)
        outcome.write()
    return [Move(name, names, undo, ids) for (name, names, undo), ids in outcome.moves.items()] + outcome.suspects


def _lock(run_ids: Sequence[UUID]) -> list[_Run]:
    rows = sql.run(sql.LOCK_RUNS, [list(run_ids)])
    steps: dict[UUID, dict[str, _Step]] = {row[0]: {} for row in rows}
    for run_id, name, state, in_flight, due, *rest in sql.run(sql.STEPS, [list(steps)]):
        steps[run_id][name] = _Step(StepState(state), in_flight, bool(due), *rest)
    runs = []
    for run_id, name, state, aborted in rows:
        try:
            runs.append(_Run(run_id, saga(name), RunState(state), aborted, steps[run_id]))
        except LookupError as error:
            log.warning("run waits for its code", run=str(run_id), error=str(error))
    return runs


def _settle_one(outcome: _Outcome, run: _Run, *, late: bool) -> None:
    decision = run.decide()
    name, deadline = run.saga.name, run.saga.deadline
    if isinstance(decision, Go):
        outcome.begun += [(run.id, step, deadline) for step in decision.steps]
        outcome.moves[name, decision.steps, False].append(run.id)
    elif isinstance(decision, Undo):
        outcome.undone += [(run.id, step, deadline) for step in decision.steps]
        outcome.moves[name, decision.steps, True].append(run.id)
    elif isinstance(decision, Finish):
        outcome.finished.append((run.id, decision.state))
    elif late:
        _send_again(outcome, run)
    if run.state is RunState.RUNNING and (isinstance(decision, Undo) or (isinstance(decision, Finish) and run.no)):
        outcome.turned.append((run.id, *_reason(run)))
    if late and isinstance(decision, Go | Undo):
        outcome.wake.append((run.id, datetime.now(UTC) + timedelta(seconds=deadline)))


@lru_cache(maxsize=4096)
def _decide(name: str, signature: tuple[tuple[str, StepState, bool], ...], aborted: bool) -> Decision:
    states = {step: state for step, state, _ in signature}
    in_flight = frozenset(step for step, _, in_flight in signature if in_flight)
    return plan(saga(name).plan_stages, states, in_flight=in_flight, aborted=aborted)


def _reason(run: _Run) -> tuple[str, str]:
    """(code, text) of a compensation; what a program raised is not for customers, so a failure has no text."""
    if run.no is None:
        return "", ""
    name, step = run.no
    return (step.error_code, step.error) if step.state is StepState.REFUSED else (f"{name}_failed", "")


def _send_again(outcome: _Outcome, run: _Run) -> None:
    """What is due is sent once more; the next look is when the next step is due.

    Without an answer for the first time, the likely cause is a lost message: those travel together. What has
    swallowed a second message may be what kills its worker, and travels alone.
    """
    later = datetime.now(UTC) + timedelta(seconds=run.saga.deadline)
    times = [later]
    for name, step in run.steps.items():
        if step.state not in {StepState.WAITING, StepState.UNDOING}:
            continue
        if step.due:
            outcome.again.append((run.id, name, run.saga.deadline))
            undo = step.state is StepState.UNDOING
            if step.unanswered:
                outcome.suspects.append(Move(run.saga.name, (name,), undo, [run.id], alone=True))
            else:
                outcome.moves[run.saga.name, (name,), undo].append(run.id)
        elif step.due_at is not None:
            times.append(step.due_at)
    outcome.wake.append((run.id, min(times)))
