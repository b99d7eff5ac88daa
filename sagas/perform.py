"""Performing a database step for a cohort: the effect and the steps' outcome are one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import transaction
from msgspec import structs

from events.context import Context, caused_by
from events.errors import TimeLimitExceeded, Vanished
from events.ids import texts_of
from events.isolation import apart
from events.log import gathered
from events.queues import served_here
from events.time_limit import limited
from sagas import sql
from sagas.actions import Action, Call, DatabaseAction, NetworkAction
from sagas.declare import Saga, Step
from sagas.models import SagaStep
from sagas.plan import StepState
from sagas.results import MANY
from sagas.settle import Known, Move, NotAtOnce, Performed, lock, settle

log = structlog.get_logger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """How one step of one run ended for good."""

    run_id: UUID
    state: StepState
    code: str = ""
    error: str = ""


@dataclass
class Failures:
    """Steps that raised; written as one statement when the cohort is through."""

    action: Action
    step: str
    undo: bool
    lease: UUID | None = None
    counted: bool = False
    attempts: dict[UUID, int] = field(default_factory=dict)
    rows: list[tuple[UUID, str, float, str, str]] = field(default_factory=list)

    def add(self, run_id: UUID, error: Exception) -> None:
        attempt = self._failed_before(run_id) + 1
        exhausted = self.action.retry.exhausted(attempt)
        waiting, final = (StepState.UNDOING, StepState.STUCK) if self.undo else (StepState.WAITING, StepState.FAILED)
        name = type(error).__name__
        text = f"{name}: {error}".replace("\0", "")
        self.rows.append((run_id, final if exhausted else waiting, self.action.retry.delay(attempt), name, text))
        log.warning("step failed", step=self.step, run=str(run_id), attempt=attempt, exhausted=exhausted, error=text)

    def _failed_before(self, run_id: UUID) -> int:
        """Known from taking the step; asked for where taking it was what failed."""
        if run_id not in self.attempts:
            rows = SagaStep.objects.filter(run_id=run_id, name=self.step).values_list("attempts", flat=True)
            self.attempts[run_id] = rows.first() or 0
        return self.attempts[run_id]

    def write(self) -> list[UUID]:
        """Returns the runs whose step has thereby ended: out of attempts."""
        if not self.rows:
            return []
        ids, states, delays, codes, errors = (list(column) for column in zip(*self.rows, strict=True))
        parameters = {
            "step": self.step, "state": expected_state(self.undo), "lease": self.lease,
            "counted": 0 if self.lease or self.counted else 1,
            "ids": ids, "states": states, "delays": delays, "codes": codes, "errors": errors,
        }  # fmt: skip
        with transaction.atomic():
            lock(ids)
            rows = sql.run(sql.FAIL, parameters)
        return [run_id for run_id, state in rows if state in {StepState.FAILED, StepState.STUCK}]


def expected_state(undo: bool) -> StepState:
    """The state in which a step may be performed, or undone."""
    return StepState.UNDOING if undo else StepState.WAITING


def take(
    step: Step, undo: bool, run_ids: Sequence[UUID], *, counted: bool = False
) -> tuple[list[Call], dict[str, Context]]:
    """Locks these steps, as far as they are still to be performed and nobody is at it, for this transaction.

    `counted`: this try is in their attempts already. Raises Vanished where one has used them all up, unanswered.
    """
    rows = sql.run(sql.TAKE, {"ids": list(run_ids), "step": step.name, "state": expected_state(undo)})
    return _calls(step, undo, rows, counted=counted)


def take_leased(
    step: Step, undo: bool, run_ids: Sequence[UUID], lease: UUID, *, seconds: float
) -> tuple[list[Call], dict[str, Context]]:
    """As `take`, under a lease of so many seconds; the try counts."""
    parameters = {"ids": list(run_ids), "step": step.name, "lease": lease, "seconds": seconds}
    return _calls(step, undo, sql.run(sql.TAKE_LEASED, {**parameters, "state": expected_state(undo)}), counted=True)


def begin_leased(
    step: Step, run_ids: Sequence[UUID], lease: UUID, *, seconds: float
) -> tuple[list[Call], dict[str, Context]]:
    """As `take_leased`, for a step that these runs, which are locked, now begin."""
    parameters = {"ids": list(run_ids), "step": step.name, "lease": lease, "seconds": seconds}
    return _calls(step, False, sql.run(sql.BEGIN_LEASED, parameters), counted=True)


def _calls(
    step: Step, undo: bool, rows: Sequence[tuple[Any, ...]], *, counted: bool
) -> tuple[list[Call], dict[str, Context]]:
    subjects = [row[1] for row in rows]
    given = step.given(subjects) if step.given and rows and not undo else {}
    skipped = dict(sql.run(sql.SKIPPED, [[row[0] for row in rows]])) if rows and undo else {}
    calls, contexts = [], {}
    most = step.action(undo=undo).retry.attempts
    wholes = texts_of(row[2] for row in rows)
    for row, whole in zip(rows, wholes, strict=True):
        run_id, subject, _, attempts, code, reason, correlation, causation, actor, trace = row
        attempt = attempts if counted else attempts + 1
        if attempt > most:
            raise Vanished(f"{step.name} was begun {most} times and never came back")
        settled = frozenset(skipped.get(run_id, ()))
        calls.append(Call(run_id, subject, step.name, undo, attempt, code, reason, given.get(subject), settled))
        contexts[whole] = Context(correlation, causation, actor, trace)
    return calls, contexts


def conclude(
    step: str, undo: bool, lease: UUID | None, outcomes: Sequence[Outcome], *, tell: bool = False
) -> dict[UUID, str | None]:
    """Writes final outcomes; returns the runs for which the writer was still entitled to.

    With `tell`, each with its steps as `sql.STEPS` shows them: for who has locked the runs.
    """
    if not outcomes:
        return {}
    rows = sql.run(
        sql.CONCLUDE_AND_TELL if tell else sql.CONCLUDE,
        {
            "ids": [one.run_id for one in outcomes],
            "states": [one.state for one in outcomes],
            "codes": [one.code for one in outcomes],
            "errors": [one.error for one in outcomes],
            "step": step,
            "state": expected_state(undo),
            "lease": lease,
        },
    )
    if not tell:
        return dict(rows)
    now = {one.run_id: f"{step} {one.state}" for one in outcomes}
    return {run_id: f"{others},{now[run_id]}" if others else now[run_id] for run_id, others in rows}


class Ended(msgspec.Struct):
    """What performing a step left to do: `moves` of runs that were settled with it, and `runs` that still are to be."""

    runs: list[UUID] = []
    moves: list[Move] = []

    def add(self, done: Done, *, settles: bool, at_once: bool) -> None:
        """To be called at the end of the transaction that concluded this. Raises NotAtOnce, see `at_best`."""
        if settles:
            self.moves += settle(
                list(done.calls), at_once=partial(_at_once, done) if at_once else None, known=done.known
            )
        else:
            self.runs += done.calls


class Done(msgspec.Struct, frozen=True):
    """The calls of an action that has been concluded for them, by run; `known` of their runs, if those are locked."""

    action: Action
    calls: Mapping[UUID, Call]
    contexts: Mapping[str, Context]
    known: Known


def at_best(work: Callable[[bool], Ended]) -> Ended:
    """`work(True)`, which in its transaction also performs what follows at once; `work(False)` if that is what fails.

    What failed is thereby begun as usual, and fails again by itself: its attempts are its own.
    """
    try:
        return work(True)
    except NotAtOnce as error:
        log.info("not at once", error=str(error))
        return work(False)


def follows_at_once(action: Action, following: Action, runs: int) -> bool:
    """Whether a worker goes on with the following step of so many runs, without a message.

    It does where it serves that step's queue; and with a few wherever they belong, if no call has to be waited for,
    for a message costs more than their work. Many do not hold up a worker that makes calls: another one takes them.
    """
    if following.queue == action.queue:
        return True
    if isinstance(action, NetworkAction) and runs > MANY:
        return False
    return following.queue in served_here() or (isinstance(following, DatabaseAction) and runs <= MANY)


def _at_once(done: Done, declared: type[Saga], name: str, run_ids: Sequence[UUID]) -> Callable[[], Performed] | None:
    """A database step in the transaction of the step before it, if it follows at once. What has failed does not."""
    step = declared.steps[name]
    action = step.action(undo=False)
    fresh = [done.calls[run_id] for run_id in run_ids if done.calls[run_id].attempt == 1]
    if not fresh or not isinstance(action, DatabaseAction) or not follows_at_once(done.action, action, len(fresh)):
        return None

    def perform() -> Performed:
        given = step.given([call.subject for call in fresh]) if step.given else {}
        turns = [structs.replace(call, step=name, given=given.get(call.subject), skipped=frozenset()) for call in fresh]
        outcomes = _perform(action, turns, done.contexts)
        return {one.run_id: (one.state, one.code, one.error) for one in outcomes}

    return perform


def _perform(action: DatabaseAction, calls: Sequence[Call], contexts: Mapping[str, Context]) -> list[Outcome]:
    with caused_by(Context(actor=action.task), contexts), limited(action.time_limit):
        refusals = action.perform(calls) or {}
    return [_outcome(call, refusals, call.undo) for call in calls]


def perform_database(
    step: Step, undo: bool, run_ids: Sequence[UUID], *, alone: bool = False, settles: bool = False
) -> Ended:
    """`settles`: what comes next is written down in the same transaction.

    `alone`: earlier messages were not answered, so it may be what kills its worker: the try counts before it is made.
    """
    action = step.action(undo=undo)
    assert isinstance(action, DatabaseAction)  # noqa: S101  for the type checker
    failures = Failures(action, step.name, undo, counted=alone)
    ended = Ended()
    if alone:
        suspects = {"ids": list(run_ids), "step": step.name, "state": expected_state(undo)}
        run_ids = [run_id for (run_id,) in sql.run(sql.BEGIN_ALONE, suspects)]

    def attempt(portion: Sequence[UUID]) -> None:
        try:
            performed = at_best(partial(perform, portion))
            ended.runs += performed.runs
            ended.moves += performed.moves
        except TimeLimitExceeded:
            if len(portion) == 1:
                raise
            # Not taken apart, which would hang again and again: the sweep sends them again, at last alone.
            log.warning("cohort cut off", step=step.name, runs=len(portion))

    def perform(portion: Sequence[UUID], at_once: bool) -> Ended:
        performed = Ended()
        with transaction.atomic(), gathered():
            locked = lock(portion) if settles else []
            calls, contexts = take(step, undo, portion, counted=alone)
            failures.attempts.update({call.run_id: call.attempt - 1 for call in calls})
            if calls:
                told = conclude(step.name, undo, None, _perform(action, calls, contexts), tell=settles)
                done = Done(action, {call.run_id: call for call in calls}, contexts, Known(locked, told))
                performed.add(done, settles=settles, at_once=at_once)
        return performed

    apart(run_ids, attempt, failures.add)
    ended.runs += failures.write()
    return ended


def _outcome(call: Call, refusals: object, undo: bool) -> Outcome:
    refused = refusals.get(call.subject) if isinstance(refusals, dict) else None
    if refused is None:
        return Outcome(call.run_id, StepState.UNDONE if undo else StepState.DONE)
    if undo:
        raise ValueError(f"{call.step}: an undo cannot be refused, only fail: {refused.detail}")
    return Outcome(call.run_id, StepState.REFUSED, refused.code, refused.detail)
