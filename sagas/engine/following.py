"""What follows in the transaction that concludes a step: the decision, and database steps that need no message."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from events.db.bisect import database_lost
from events.db.time_limit import limited
from events.declare.queues import served_here
from events.log.append import flush
from events.log.context import Context, caused_by
from events.tracing.spans import recording
from sagas.definition import Step
from sagas.engine import measures, runs
from sagas.engine.decide import Decided, Move, Performed, Run, changes_of, decide
from sagas.engine.steps import performing, success
from sagas.monitor import shown
from sagas.plan import Go, StepState
from sagas.results import LIGHT_LOAD_RUNS
from sagas.traces.steps import StepSpans
from sagas.values import Action, Call, DatabaseAction, NetworkAction


class FollowingFailed(Exception):
    """A step that was to be performed in the same transaction failed: the transaction is done again without it."""


class Done(msgspec.Struct, frozen=True):
    """The calls of an action that has just been concluded, by run."""

    action: Action
    calls: Mapping[UUID, Call]
    contexts: Mapping[str, Context]


def go_on(concluded: Sequence[Run], done: Done | None) -> list[Move]:
    """Decides what these runs do next, and writes it. Returns what to send after the commit.

    With `done`, a step that may follow here is performed in this transaction, and the one behind it, and so on.
    Raises FollowingFailed if one of them raises.
    """
    decided = decide(concluded)
    performed: list[Performed] = []
    if done is not None:
        decided, performed = _perform_following(decided, done)
    changes = changes_of(decided, performed)
    runs.write(changes)
    return changes.moves


def follows_here(action: Action, following: Action, count: int) -> bool:
    """Whether a worker goes on with the following step of so many runs, without a message.

    Only if it serves that step's queue. A worker that makes calls leaves many runs to another one, so that they do not
    delay its calls.
    """
    if following.queue == action.queue:
        return True
    if isinstance(action, NetworkAction) and count > LIGHT_LOAD_RUNS:
        return False
    return following.queue in served_here()


def perform_database_action(
    action: DatabaseAction, calls: Sequence[Call], contexts: Mapping[str, Context]
) -> list[Performed]:
    """The action's effect on these calls, in the caller's transaction, and how each ended."""
    if not recording():
        return _perform(action, calls, contexts)
    with StepSpans(action, calls) as spans:
        performed = _perform(action, calls, spans.below(contexts))
        for one in performed:
            spans.end(one.run_id, refusal=one.code)
    return performed


def _perform(action: DatabaseAction, calls: Sequence[Call], contexts: Mapping[str, Context]) -> list[Performed]:
    began, since = time.time(), time.monotonic()
    logged = performing(calls[0].step, contexts)
    with logged, caused_by(Context(actor=action.task), contexts), limited(action.time_limit):
        refusals = action.perform(calls) or {}
    performed = [_performed(call, refusals) for call in calls]
    took = time.monotonic() - since
    ends = zip(calls, performed, strict=True)
    measures.performed(calls[0].step, ((one.state.value, took, call.traceparent) for call, one in ends))
    shown.ended(action, [(call, one.code) for call, one in zip(calls, performed, strict=True)], began)
    return performed


def _performed(call: Call, refusals: object) -> Performed:
    refused = refusals.get(call.subject) if isinstance(refusals, dict) else None
    if refused is None:
        return Performed(call.run_id, call.step, success(call.undo))
    if call.undo:
        raise ValueError(f"{call.step}: an undo cannot be refused, only fail: {refused.detail}")
    return Performed(call.run_id, call.step, StepState.REFUSED, refused.code, refused.detail)


def _perform_following(decided: Decided, done: Done) -> tuple[Decided, list[Performed]]:
    """All that may follow here, or FollowingFailed."""
    performed: list[Performed] = []
    try:
        while batch := _perform_next(decided, done):
            performed += batch
            decided = _after(decided, batch)
        flush()  # so that events that cannot be appended fail here
    except Exception as error:
        if database_lost(error):
            raise
        raise FollowingFailed(str(error)) from error
    return decided, performed


def _perform_next(decided: Decided, done: Done) -> list[Performed]:
    """The next database step of each run that may be performed here."""
    waiting: dict[Step, list[UUID]] = defaultdict(list)
    for run, decision in decided:
        if isinstance(decision, Go) and len(decision.steps) == 1 and done.calls[run.id].attempt == 1:
            waiting[run.saga.steps[decision.steps[0]]].append(run.id)
    performed = []
    for step, run_ids in waiting.items():
        action = step.action(undo=False)
        if isinstance(action, DatabaseAction) and follows_here(done.action, action, len(run_ids)):
            calls = _calls_of(step, [done.calls[run_id] for run_id in run_ids])
            performed += perform_database_action(action, calls, done.contexts)
    return performed


def _calls_of(step: Step, calls: Sequence[Call]) -> list[Call]:
    """The calls of a step that follows these calls."""
    inputs = step.inputs([call.subject for call in calls])
    return [
        msgspec.structs.replace(
            call, step=step.name, input=inputs.get(call.subject), skipped=frozenset(), repaired=False
        )
        for call in calls
    ]


def _after(decided: Decided, performed: Sequence[Performed]) -> Decided:
    """The decisions once these steps have ended."""
    ended = {one.run_id: one for one in performed}
    going = decide(run.after(ended[run.id].step, ended[run.id].state) for run, _ in decided if run.id in ended)
    after = {run.id: (run, decision) for run, decision in going}
    return [after.get(run.id, (run, decision)) for run, decision in decided]
