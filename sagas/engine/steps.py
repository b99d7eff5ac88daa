"""The rows of steps: taken for this transaction or under a lease, and concluded with their outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import msgspec

from events.db.query import execute
from events.declare.ids import texts_of
from events.errors import Vanished
from events.log.bound import bound, fields_of
from events.log.context import Context
from sagas.conf import saga_settings
from sagas.definition import Step
from sagas.engine import sql
from sagas.plan import StepState
from sagas.values import Call


class Outcome(msgspec.Struct, frozen=True):
    """How one step of one run ended for good."""

    run_id: UUID
    state: StepState
    code: str = ""
    error: str = ""


class Taken(msgspec.Struct, frozen=True):
    """Steps that are ours for now: the calls to make, and the context of each subject's events."""

    calls: Sequence[Call]
    contexts: Mapping[str, Context]


def log_fields(subject: str, context: Context) -> dict[str, str]:
    """What log lines about a run of this subject carry."""
    return fields_of(context, **{saga_settings.SAGA_SUBJECT_NAME: subject})


def performing(step: str, contexts: Mapping[str, Context]) -> AbstractContextManager[object]:
    """Log lines within the block carry the step, and of one subject its fields."""
    return bound(list(contexts.items()), lambda one: log_fields(*one), step=step)


def expected_state(undo: bool) -> StepState:
    """The state in which a step may be performed, or undone."""
    return StepState.UNDOING if undo else StepState.WAITING


def success(undo: bool) -> StepState:
    """The state of a step that was performed, or undone."""
    return StepState.UNDONE if undo else StepState.DONE


def take(step: Step, undo: bool, run_ids: Sequence[UUID], *, counted: bool = False) -> Taken:
    """Locks these steps for this transaction, as far as they are still to be performed and no other worker has them.

    `counted`: this attempt is in their row already. Raises Vanished where one has used up its attempts unanswered.
    """
    rows = execute(sql.TAKE, {"ids": list(run_ids), "step": step.name, "state": expected_state(undo)})
    return _taken(step, undo, rows, counted=counted)


def take_leased(step: Step, undo: bool, run_ids: Sequence[UUID], lease: UUID, *, seconds: float) -> Taken:
    """As `take`, under a lease of so many seconds. The attempt counts."""
    parameters = {"ids": list(run_ids), "step": step.name, "lease": lease, "seconds": seconds}
    return _taken(step, undo, execute(sql.TAKE_LEASED, {**parameters, "state": expected_state(undo)}), counted=True)


def begin_leased(step: Step, run_ids: Sequence[UUID], lease: UUID, *, seconds: float) -> Taken:
    """As `take_leased`, for a step that these runs, which are locked, begin now."""
    parameters = {"ids": list(run_ids), "step": step.name, "lease": lease, "seconds": seconds}
    return _taken(step, False, execute(sql.BEGIN_LEASED, parameters), counted=True)


def begin_alone(step: Step, undo: bool, run_ids: Sequence[UUID]) -> list[UUID]:
    """Counts an attempt before it is made, for steps that may crash their worker. Returns those that are still open."""
    parameters = {"ids": list(run_ids), "step": step.name, "state": expected_state(undo)}
    return [run_id for (run_id,) in execute(sql.BEGIN_ALONE, parameters)]


def calls_of(step: Step, undo: bool, run_ids: Sequence[UUID]) -> Taken:
    """The calls of these steps as they were made last, whatever has become of them. Locks nothing."""
    return _calls(step, undo, execute(sql.CALLS, {"ids": list(run_ids), "step": step.name}))


def _taken(step: Step, undo: bool, rows: Sequence[tuple[Any, ...]], *, counted: bool) -> Taken:
    attempts_allowed = step.action(undo=undo).retry.attempts
    if any((row[3] if counted else row[3] + 1) > attempts_allowed for row in rows):
        raise Vanished(f"{step.name} was begun {attempts_allowed} times and its worker crashed each time")
    return _calls(step, undo, rows, started=0 if counted else 1)


def _calls(step: Step, undo: bool, rows: Sequence[tuple[Any, ...]], *, started: int = 0) -> Taken:
    """The calls of these rows, as `sql.TAKE` reads them. `started`: attempts that their rows do not count yet."""
    inputs = {} if undo else step.inputs([row[1] for row in rows])
    skipped = dict(execute(sql.SKIPPED, [[row[0] for row in rows]])) if rows and undo else {}
    calls, contexts = [], {}
    wholes = texts_of(row[2] for row in rows)
    for row, whole in zip(rows, wholes, strict=True):
        run_id, subject, _, attempts, code, reason, correlation, causation, actor, trace, failed = row
        settled, attempt = frozenset(skipped.get(run_id, ())), attempts + started
        calls.append(
            Call(
                run_id, subject, step.name, undo, attempt, code, reason, inputs.get(subject), settled, whole,
                trace, failed,
            )
        )  # fmt: skip
        contexts[whole] = Context(correlation, causation, actor, trace)
    return Taken(calls, contexts)


def conclude(
    step: str, undo: bool, lease: UUID | None, outcomes: Sequence[Outcome], *, locked: bool
) -> dict[UUID, str | None]:
    """Writes final outcomes. Returns the runs for which the writer still held its lease.

    `locked`: the runs are locked, so each comes with its steps as `sql.STEPS` shows them.
    """
    if not outcomes:
        return {}
    parameters = {
        "ids": [one.run_id for one in outcomes],
        "states": [one.state for one in outcomes],
        "codes": [one.code for one in outcomes],
        "errors": [one.error for one in outcomes],
        "step": step,
        "state": expected_state(undo),
        "lease": lease,
    }
    if not locked:
        return dict(execute(sql.CONCLUDE, parameters))
    now = {one.run_id: f"{step} {one.state}" for one in outcomes}
    rows = execute(sql.CONCLUDE_AND_TELL, parameters)
    return {run_id: f"{others},{now[run_id]}" if others else now[run_id] for run_id, others in rows}
