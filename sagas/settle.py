"""Asks the rows of some runs what comes next, and writes the answer down before anything is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import transaction

from events.isolation import database_lost
from events.log import flush
from events.queues import Queue
from sagas import sql
from sagas.declare import Saga, saga
from sagas.plan import Decision, Finish, Go, RunState, StepState, Undo, Wait, plan

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


class _Run(msgspec.Struct, frozen=True):
    """A run as its rows say under our lock. `steps` is the text that `sql.STEPS` makes of its steps."""

    id: UUID
    saga: type[Saga]
    state: str
    aborted: bool
    steps: str

    def decide(self) -> Decision:
        return _decide(self.saga.name, self.steps, self.aborted)


Performed = Mapping[UUID, tuple[StepState, str, str] | None]
AtOnce = Callable[[type[Saga], str, Sequence[UUID]], Callable[[], Performed] | None]
"""What performs a step in the transaction that settles, if it can be performed there and then.

Called, it gives the outcome (state, code, text) of as many runs as it can; None for one that it has begun, and keeps.
"""


BEGUN = ("ids", "names", "deadlines")
PERFORMED = ("ids", "names", "states", "codes", "errors")
FINISHED = ("finished", "ends")
Locked = list[tuple[Any, ...]]


class Known(msgspec.Struct, frozen=True):
    """What a transaction knows of runs that it has locked: what `lock` said of them, and their steps by run."""

    rows: Locked
    steps: Mapping[UUID, str | None]


class NotAtOnce(Exception):
    """What was to follow at once has failed: the transaction is to be done again without it."""


class _OpenStep(msgspec.Struct, frozen=True):
    """A step that waits for an answer."""

    name: str
    state: str
    due: bool
    due_at: datetime | None
    unanswered: int


@dataclass
class _Outcome:
    """What one settle writes: every list is a column of one statement."""

    moves: dict[tuple[str, tuple[str, ...], bool], list[UUID]] = field(default_factory=lambda: defaultdict(list))
    suspects: list[Move] = field(default_factory=list)
    begun: list[tuple[UUID, str, float]] = field(default_factory=list)
    undone: list[tuple[UUID, str, float]] = field(default_factory=list)
    again: list[tuple[UUID, str, float]] = field(default_factory=list)
    turned: list[tuple[UUID, str, str]] = field(default_factory=list)
    performed: list[tuple[UUID, str, str, str, str]] = field(default_factory=list)
    finished: list[tuple[UUID, str]] = field(default_factory=list)
    wake: list[tuple[UUID, datetime]] = field(default_factory=list)

    def write(self) -> None:
        for statement, names, rows in (
            (sql.BEGIN, BEGUN, self.begun),
            (sql.BEGIN_UNDO, BEGUN, self.undone),
            (sql.SEND_AGAIN, BEGUN, self.again),
            (sql.TURN_BACK, ("ids", "codes", "reasons"), self.turned),
            (sql.WAKE_AT, ("ids", "times"), self.wake),
        ):
            _write(statement, names, rows)
        if self.performed and self.finished:
            both = _columns(PERFORMED, self.performed) | _columns(FINISHED, self.finished)
            sql.run(sql.PERFORMED_AND_FINISH, both)
        else:
            self.write_performed()
            _write(sql.FINISH, FINISHED, self.finished)

    def write_performed(self) -> None:
        _write(sql.PERFORMED, PERFORMED, self.performed)
        self.performed.clear()

    def all_moves(self) -> list[Move]:
        return [Move(name, names, undo, ids) for (name, names, undo), ids in self.moves.items()] + self.suspects


def settle(
    run_ids: Sequence[UUID], *, late: bool = False, at_once: AtOnce | None = None, known: Known | None = None
) -> list[Move]:
    """Plans all of these runs in one transaction, the caller's if there is one, with a constant number of statements.

    Returns what has to be set going after the commit. Asking twice, or at the wrong moment, does no harm.
    `late` also sends again what is due and sets the time of the next look. `at_once` may perform what comes next;
    raises NotAtOnce if that fails. `known`: of these runs, and others, by the caller's transaction.
    """
    if not run_ids:
        return []
    outcome = _Outcome()
    with transaction.atomic(savepoint=False):
        decided = [(run, run.decide()) for run in _read(run_ids, known)]
        if at_once is not None:
            decided = _perform_at_once(decided, at_once, outcome)
        for run, decision in decided:
            _note(outcome, run, decision)
        _turn(outcome, decided)
        if late:
            _look_again(outcome, decided)
        outcome.write()
    return outcome.all_moves()


def together(moves: Iterable[Move]) -> list[Move]:
    """Those that go the same way as one, but for what travels alone."""
    by_way: dict[tuple[str, tuple[str, ...], bool], list[UUID]] = defaultdict(list)
    alone = []
    for move in moves:
        if move.alone:
            alone.append(move)
        else:
            by_way[move.saga, move.steps, move.undo] += move.run_ids
    return [Move(name, names, undo, ids) for (name, names, undo), ids in by_way.items()] + alone


def lock(run_ids: Sequence[UUID]) -> Locked:
    """The rows of those that are not over, locked for this transaction. Runs are locked before their steps."""
    return sql.run(sql.LOCK_RUNS, [list(run_ids)])


def _read(run_ids: Sequence[UUID], known: Known | None) -> list[_Run]:
    if known is None:
        rows = lock(run_ids)
        steps: Mapping[UUID, str | None] = dict(sql.run(sql.STEPS, [[row[0] for row in rows]])) if rows else {}
    else:
        asked, steps = set(run_ids), known.steps
        rows = [row for row in known.rows if row[0] in asked]
    runs = []
    for run_id, name, state, aborted in rows:
        try:
            runs.append(_Run(run_id, saga(name), state, aborted, steps[run_id] or ""))
        except LookupError as error:
            log.warning("run waits for its code", run=str(run_id), error=str(error))
    return runs


def _write(statement: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        sql.run(statement, _columns(names, rows))


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _perform_at_once(
    decided: list[tuple[_Run, Decision]], at_once: AtOnce, outcome: _Outcome
) -> list[tuple[_Run, Decision]]:
    """As long as what comes next is a single step that can be performed here and now; all of it, or nothing."""
    try:
        gone_on = _chain(decided, at_once, outcome.performed)
        flush()  # so that what cannot be appended has failed here
    except Exception as error:
        if database_lost(error):
            raise
        raise NotAtOnce(str(error)) from error
    return gone_on


def _chain(
    decided: list[tuple[_Run, Decision]],
    at_once: AtOnce,
    outcomes: list[tuple[UUID, str, str, str, str]],
) -> list[tuple[_Run, Decision]]:
    ready = decided
    while ready:
        by_step: dict[tuple[type[Saga], str], list[_Run]] = defaultdict(list)
        for run, decision in ready:
            if isinstance(decision, Go) and len(decision.steps) == 1:
                by_step[run.saga, decision.steps[0]].append(run)
        after: dict[UUID, tuple[_Run, Decision]] = {}
        for (declared, step), runs in by_step.items():
            perform = at_once(declared, step, [run.id for run in runs])
            if perform is None:
                continue
            performed = perform()
            for run in runs:
                if run.id not in performed:
                    continue
                if (outcome := performed[run.id]) is None:
                    after[run.id] = run, Wait()
                    continue
                state, code, text = outcome
                outcomes.append((run.id, step, state.value, code, text))
                gone_on = msgspec.structs.replace(run, steps=f"{run.steps},{step} {state.value}".lstrip(","))
                after[run.id] = gone_on, gone_on.decide()
        ready = list(after.values())
        decided = [after.get(run.id, (run, decision)) for run, decision in decided]
    return decided


def _note(outcome: _Outcome, run: _Run, decision: Decision) -> None:
    name, deadline = run.saga.name, run.saga.deadline
    if isinstance(decision, Go):
        outcome.begun += [(run.id, step, deadline) for step in decision.steps]
        outcome.moves[name, decision.steps, False].append(run.id)
    elif isinstance(decision, Undo):
        outcome.undone += [(run.id, step, deadline) for step in decision.steps]
        outcome.moves[name, decision.steps, True].append(run.id)
    elif isinstance(decision, Finish):
        outcome.finished.append((run.id, decision.state.value))


@lru_cache(maxsize=4096)
def _decide(name: str, steps: str, aborted: bool) -> Decision:
    states, in_flight = {}, set()
    for step in steps.split(",") if steps else ():
        step_name, state, *leased = step.split(" ")
        states[step_name] = StepState(state)
        if leased:
            in_flight.add(step_name)
    return plan(saga(name).plan_stages, states, in_flight=frozenset(in_flight), aborted=aborted)


def _turn(outcome: _Outcome, decided: Iterable[tuple[_Run, Decision]]) -> None:
    """Why each compensation begins, or can not; a refusal is told before a failure.

    What a program raised is not for customers, so a failure has no text.
    """
    turning = [
        run.id
        for run, decision in decided
        if run.state == RunState.RUNNING and isinstance(decision, Undo | Finish) and decision != Finish(RunState.DONE)
    ]
    if not turning:
        return
    outcome.write_performed()  # what has just said no is among the rows then
    said: dict[UUID, tuple[str, str]] = {}
    for run_id, name, state, code, text in sql.run(sql.SAID_NO, [turning]):
        if state == StepState.REFUSED:
            said[run_id] = (code, text)
        else:
            said.setdefault(run_id, (f"{name}_failed", ""))
    outcome.turned += [(run_id, *said.get(run_id, ("", ""))) for run_id in turning]


def _look_again(outcome: _Outcome, decided: Sequence[tuple[_Run, Decision]]) -> None:
    """What is due is sent once more; the next look is when the next step is due.

    Without an answer for the first time, the likely cause is a lost message: those travel together. What has
    swallowed a second message may be what kills its worker, and travels alone.
    """
    open_steps: dict[UUID, list[_OpenStep]] = defaultdict(list)
    waiting = [run.id for run, decision in decided if decision == Wait()]
    for run_id, *columns in sql.run(sql.OPEN_STEPS, [waiting]):
        open_steps[run_id].append(_OpenStep(*columns))
    now = datetime.now(UTC)
    for run, decision in decided:
        if isinstance(decision, Finish):
            continue
        times = [now + timedelta(seconds=run.saga.deadline)]
        for step in open_steps[run.id]:
            if step.due:
                _send_again(outcome, run, step)
            elif step.due_at is not None:
                times.append(step.due_at)
        outcome.wake.append((run.id, min(times)))


def _send_again(outcome: _Outcome, run: _Run, step: _OpenStep) -> None:
    outcome.again.append((run.id, step.name, run.saga.deadline))
    undo = step.state == StepState.UNDOING
    if step.unanswered:
        outcome.suspects.append(Move(run.saga.name, (step.name,), undo, [run.id], alone=True))
    else:
        outcome.moves[run.saga.name, (step.name,), undo].append(run.id)
