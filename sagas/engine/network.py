"""Performing a network step for a cohort: lease the steps, make the calls outside any transaction, record the results.

Each call has its own idempotency key. Its outcome and effect are written in one transaction, if the lease still holds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from events import Refused
from events.db.bisect import Bisection
from events.db.reconnect import retry_on_disconnect
from events.delivery import leases
from events.log.append import gathered
from events.log.context import Context, caused_by
from events.tracing.spans import recording
from sagas.definition import Step
from sagas.engine import measures, permits, runs, steps
from sagas.engine.calls import CallResult, Lease, PreparedCall, make_calls
from sagas.engine.decide import Ended
from sagas.engine.dispatch import Cohort
from sagas.engine.failures import Failures
from sagas.engine.following import Done, FollowingFailed, go_on
from sagas.engine.permits import Permitted
from sagas.engine.steps import Outcome, performing
from sagas.monitor import shown
from sagas.plan import StepState
from sagas.traces.steps import StepSpans
from sagas.values import Answer, NetworkAction


@dataclass(frozen=True)
class Leased:
    """A batch under its lease, before its calls. `idle` are the runs that had none to make: their step has ended."""

    lease: Lease
    calls: Sequence[PreparedCall]
    idle: Collection[UUID]

    @property
    def failed_before(self) -> dict[UUID, int]:
        """How often each of these has failed before this attempt."""
        return {one.call.run_id: one.call.attempt - 1 for one in self.calls}


def perform(cohort: Cohort, action: NetworkAction) -> Ended:
    """What ended within the action's patience. May be called twice: steps under a lease are not taken again."""
    failures = Failures(cohort.declared, cohort.undo)
    ended = Ended()
    portions = Bisection(cohort.run_ids)
    for portion in portions:
        try:
            ended.add(_perform_portion(cohort, action, portion, failures))
        except Exception as error:  # noqa: BLE001  whatever loading raises
            for culprit in portions.failed(portion, error):
                failures.add(culprit, error)
    ended.undecided += failures.write()
    return ended


def _perform_portion(cohort: Cohort, action: NetworkAction, run_ids: Sequence[UUID], failures: Failures) -> Ended:
    permitted = permits.ask(action, cohort.step, cohort.undo, run_ids)
    if not permitted.run_ids:
        return Ended()
    try:
        with transaction.atomic():
            leased = _lease(action, cohort.declared, cohort.undo, permitted.run_ids, begun=True)
    except Exception:
        permits.return_unused(permitted, action)
        raise
    failures.attempts.taken(leased.failed_before)
    failures.contexts = leased.lease.contexts
    return _call(leased, permitted, decides=cohort.decides and not cohort.alone)


def perform_leased(leased: Leased) -> Ended:
    """As `perform`, for steps that were leased in the transaction in which they began."""
    lease = leased.lease
    permitted = permits.ask(
        lease.action, lease.step, lease.undo, [one.call.run_id for one in leased.calls], lease=lease.id
    )
    granted = set(permitted.run_ids)
    calls = [one for one in leased.calls if one.call.run_id in granted]
    return _call(replace(leased, calls=calls), permitted, decides=True)


def lease_begun(step: Step, run_ids: Sequence[UUID]) -> Leased:
    """Leases a network step that these runs begin with it, in the transaction that has locked them."""
    action = step.action(undo=False)
    assert isinstance(action, NetworkAction)  # noqa: S101  for the type checker
    return _lease(action, step, False, run_ids, begun=False)


def _lease(action: NetworkAction, step: Step, undo: bool, run_ids: Sequence[UUID], *, begun: bool) -> Leased:
    """Leases the steps, and loads what each call needs. A step that has no call to make is concluded here.

    `begun`: the steps have rows already.
    """
    id_, seconds = uuid4(), leases.first_term(action.lease)
    if begun:
        taken = steps.take_leased(step, undo, run_ids, id_, seconds=seconds)
    else:
        taken = steps.begin_leased(step, run_ids, id_, seconds=seconds)
    lease = Lease(action, step, undo, id_, taken.contexts)
    if not taken.calls:
        return Leased(lease, [], set())
    with caused_by(Context(actor=action.task), taken.contexts):
        loaded = action.load(taken.calls)
    calls = [PreparedCall(call, loaded[call.subject]) for call in taken.calls if call.subject in loaded]
    if recording():
        lease = replace(lease, spans=StepSpans(action, [one.call for one in calls]))
    idle = [Outcome(call.run_id, steps.success(undo)) for call in taken.calls if call.subject not in loaded]
    concluded = steps.conclude(step.name, undo, id_, idle, locked=False)
    measures.performed(step.name, ((steps.success(undo).value, 0.0, "") for _ in concluded))
    shown.ended(action, [(call, "") for call in taken.calls if call.run_id in concluded], time.time())
    return Leased(lease, calls, concluded)


def _call(leased: Leased, permitted: Permitted, *, decides: bool) -> Ended:
    lease = replace(leased.lease, permit=permitted.permit, began=time.time())
    ended = Ended(undecided=list(leased.idle))
    if leased.calls:
        results = make_calls(lease, leased.calls)
        if lease.spans:
            lease.spans.end_cohort()
        ended.add(record(lease, results, unused=len(permitted.run_ids) - len(leased.calls), decides=decides))
    else:
        permits.return_unused(permitted, lease.action)
    return ended


def record(
    lease: Lease, results: Sequence[CallResult], *, late: bool = False, unused: int = 0, decides: bool = False
) -> Ended:
    """Writes what calls brought. `late`: these are stragglers. `unused`: calls that were permitted and not made.

    The breaker hears of answers afterwards, so that nothing waits for it, and of faults before: it says which of them
    count as an attempt.
    """
    try:
        return _record(lease, results, late=late, unused=unused, decides=decides)
    finally:
        if lease.spans:
            _end_spans(lease.spans, results)


def _end_spans(spans: StepSpans, results: Sequence[CallResult]) -> None:
    for one in results:
        refused = one.answer.refused if one.answer else None
        spans.end(one.prepared.call.run_id, error=one.error, refusal=refused.code if refused else "")


def _record(lease: Lease, results: Sequence[CallResult], *, late: bool, unused: int, decides: bool) -> Ended:
    if any(one.error is not None for one in results):
        spared = _report(lease, results, late=late, unused=unused)
        return _write(lease, results, spared, decides=decides)
    try:
        return _write(lease, results, (), decides=decides)
    finally:
        _report(lease, results, late=late, unused=unused)


@retry_on_disconnect
def _write(lease: Lease, results: Sequence[CallResult], spared: Collection[UUID], *, decides: bool) -> Ended:
    """May be called twice: what has been written is no longer under the lease."""
    failures = Failures(lease.declared, lease.undo, lease.id, began=lease.began)
    failures.attempts.taken({one.prepared.call.run_id: one.prepared.call.attempt - 1 for one in results})
    failures.contexts = lease.contexts
    for one in results:
        if one.error is not None and one.prepared.call.run_id not in spared:
            failures.add(one.prepared.call.run_id, one.error, one.prepared.call)
    ended = Ended()
    portions = Bisection([one.answer for one in results if one.answer is not None])
    for portion in portions:
        try:
            ended.add(_save(lease, portion, decides=decides))
        except Exception as error:  # noqa: BLE001  whatever saving raises
            for culprit in portions.failed(portion, error):
                failures.add(culprit.call.run_id, error)
    ended.undecided += failures.write()
    return ended


def _save(lease: Lease, answers: Sequence[Answer[Any, Any]], *, decides: bool) -> Ended:
    try:
        return _save_in_one_transaction(lease, answers, decides=decides, follow=True)
    except FollowingFailed:
        return _save_in_one_transaction(lease, answers, decides=decides, follow=False)


def _save_in_one_transaction(
    lease: Lease, answers: Sequence[Answer[Any, Any]], *, decides: bool, follow: bool
) -> Ended:
    with transaction.atomic(), gathered():
        locked = runs.lock([answer.call.run_id for answer in answers]) if decides else []
        outcomes = [_outcome(answer, lease.undo) for answer in answers]
        states = steps.conclude(lease.step, lease.undo, lease.id, outcomes, locked=decides)
        ours = [answer for answer in answers if answer.call.run_id in states]
        measures.performed(
            lease.step,
            (
                (one.state.value, lease.seconds.get(one.run_id, 0.0), answer.call.traceparent)
                for answer, one in zip(answers, outcomes, strict=True)
                if one.run_id in states
            ),
        )
        if ours:
            contexts = lease.spans.below(lease.contexts) if lease.spans else lease.contexts
            with performing(lease.step, lease.contexts), caused_by(Context(actor=lease.action.task), contexts):
                lease.action.save(ours)
            shown.ended(
                lease.action, [(one.call, one.refused.code if one.refused else "") for one in ours], lease.began
            )
        if not decides:
            return Ended(undecided=list(states))
        done = Done(lease.action, {answer.call.run_id: answer.call for answer in ours}, lease.contexts)
        return Ended(go_on(runs.known(locked, states), done if follow else None))


def _report(lease: Lease, results: Sequence[CallResult], *, late: bool, unused: int) -> set[UUID]:
    """Reports to the breaker; returns the runs whose failure is the server's, which are postponed.

    What a dead server does immediately spends no attempt. A straggler's failure may be its own card's, so it does:
    else cards that hang, alone in a quiet night, would keep the breaker open and wait without end.
    """
    breaker = lease.action.breaker
    if breaker is None:
        return set()
    faults = [one.prepared.call.run_id for one in results if one.error is not None and breaker.is_fault(one.error)]
    answers = sum(one.answer is not None or isinstance(one.error, Refused) for one in results)
    quick = 0 if late else len(faults)
    wait = breaker.report(lease.permit, answers, len(faults), quick=quick, unused=unused)
    if wait is None or late:
        return set()
    permits.postpone(lease.action, lease.step, lease.undo, faults, seconds=wait, lease=lease.id)
    return set(faults)


def _outcome(answer: Answer[Any, Any], undo: bool) -> Outcome:
    if answer.refused is not None:
        return Outcome(answer.call.run_id, StepState.REFUSED, answer.refused.code, answer.refused.detail)
    return Outcome(answer.call.run_id, steps.success(undo))
