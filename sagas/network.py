"""Performing a network step for a cohort: all calls at once, outside any transaction, each under its own key.

The calls live on one event loop in a thread of the worker process. A task waits for its cohort only as long as the
action's patience; the stragglers' outcomes are written by a second thread when they come, which then moves
just those runs on. A process that dies takes its calls with it: their leases run out and the sweep asks again.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
import structlog
from django.db import close_old_connections, transaction

from events import Refused, leases
from events.breaker import Permit, State
from events.context import Context, caused_by
from events.isolation import apart
from events.log import gathered
from events.patience import patiently
from sagas import breakers, sql
from sagas.actions import Answer, Call, NetworkAction
from sagas.declare import Step
from sagas.perform import Done, Ended, Failures, Outcome, at_best, begin_leased, conclude, take_leased
from sagas.plan import StepState
from sagas.settle import Known, lock

log = structlog.get_logger(__name__)
T = TypeVar("T")
Advance = Callable[[Sequence[UUID]], None]
LEASED = leases.Rows(sql.RENEW, sql.HAND_BACK)
CONCURRENCY = 256
"""Calls under way at once, per process."""
NO_PERMIT = Permit(0, State.CLOSED)


class _Turn(msgspec.Struct, frozen=True):
    """One call of a leased batch, with what it is given."""

    call: Call
    given: Any


@dataclass(frozen=True)
class _Lease:
    """A batch that is ours for a while."""

    action: NetworkAction
    step: str
    undo: bool
    id: UUID
    contexts: dict[str, Context]
    advance: Advance
    permit: Permit = NO_PERMIT


@dataclass(frozen=True)
class Leased:
    """A batch under its lease, before its calls: `idle` are the runs that had none to make."""

    lease: _Lease
    turns: Sequence[_Turn]
    idle: Collection[UUID]


class _Heard(msgspec.Struct, frozen=True):
    """What a call brought: an answer, or an error worth another try."""

    turn: _Turn
    answer: Answer[Any, Any] | None
    error: Exception | None = None


def perform_network(
    step: Step, undo: bool, run_ids: Sequence[UUID], advance: Advance, *, settles: bool = False
) -> Ended:
    """What ended within the action's patience; stragglers go on later through `advance`."""
    action = step.action(undo=undo)
    assert isinstance(action, NetworkAction)  # noqa: S101  for the type checker
    ended = Ended()
    failures = Failures(action, step.name, undo)

    def attempt(portion: Sequence[UUID]) -> None:
        permitted = breakers.permit(action, step.name, undo, portion)
        if not permitted.run_ids:
            return
        try:
            leased = lease_waiting(step, undo, permitted.run_ids, advance)
        except Exception:
            _return(permitted, action)
            raise
        failures.attempts.update({turn.call.run_id: turn.call.attempt - 1 for turn in leased.turns})
        performed = _perform(leased, permitted, settles=settles)
        ended.runs += performed.runs
        ended.moves += performed.moves

    apart(run_ids, attempt, failures.add)
    ended.runs += failures.write()
    return ended


def perform_leased(leased: Leased, *, settles: bool = False) -> Ended:
    """As `perform_network`, for what was leased in the transaction that began the step."""
    lease, asked = leased.lease, [turn.call.run_id for turn in leased.turns]
    permitted = breakers.permit(lease.action, lease.step, lease.undo, asked, lease=lease.id)
    granted = set(permitted.run_ids)
    turns = [turn for turn in leased.turns if turn.call.run_id in granted]
    return _perform(Leased(lease, turns, leased.idle), permitted, settles=settles)


def _perform(leased: Leased, permitted: breakers.Permitted, *, settles: bool) -> Ended:
    lease, turns = replace(leased.lease, permit=permitted.permit), leased.turns
    ended = Ended(list(leased.idle))
    if turns:
        heard = asyncio.run_coroutine_threadsafe(_call_all(lease, turns), _loop(os.getpid())).result()
        recorded = _record(lease, heard, unused=len(permitted.run_ids) - len(turns), settles=settles)
        ended.runs += recorded.runs
        ended.moves += recorded.moves
    else:
        _return(permitted, lease.action)
    return ended


def _return(permitted: breakers.Permitted, action: NetworkAction) -> None:
    """No call was made: a probe's place is free again."""
    if action.breaker:
        action.breaker.report(permitted.permit, 0, 0, unused=len(permitted.run_ids))


def lease_waiting(step: Step, undo: bool, run_ids: Sequence[UUID], advance: Advance) -> Leased:
    """Leases what waits to be called, in the caller's transaction if there is one."""
    with transaction.atomic(savepoint=False):
        return _lease(step, undo, advance, partial(take_leased, step, undo, run_ids))


def lease_begun(step: Step, run_ids: Sequence[UUID], advance: Advance) -> Leased:
    """Leases a step that these runs begin with it, in the transaction that has locked them."""
    return _lease(step, False, advance, partial(begin_leased, step, run_ids))


def _lease(
    step: Step, undo: bool, advance: Advance, taken: Callable[..., tuple[list[Call], dict[str, Context]]]
) -> Leased:
    """Asks what each call needs; what has none to make is concluded here."""
    action, id_ = step.action(undo=undo), uuid4()
    assert isinstance(action, NetworkAction)  # noqa: S101  for the type checker
    calls, contexts = taken(id_, seconds=leases.first_term(action.lease))
    lease = _Lease(action, step.name, undo, id_, contexts, advance)
    if not calls:
        return Leased(lease, [], set())
    with caused_by(Context(actor=action.task), contexts):
        given = action.load(calls)
    turns = [_Turn(call, given[call.subject]) for call in calls if call.subject in given]
    idle = [Outcome(call.run_id, _success(undo)) for call in calls if call.subject not in given]
    return Leased(lease, turns, conclude(step.name, undo, id_, idle))


def _success(undo: bool) -> StepState:
    return StepState.UNDONE if undo else StepState.DONE


async def _call_all(lease: _Lease, turns: Sequence[_Turn]) -> list[_Heard]:
    leases.hold(lease.id, LEASED, {"ids": [turn.call.run_id for turn in turns], "step": lease.step})
    limit = _limit()
    tasks = [asyncio.create_task(_call_one(lease, turn, limit)) for turn in turns]
    done, late = await asyncio.wait(tasks, timeout=lease.action.patience)
    asyncio.gather(*late).add_done_callback(lambda _: leases.let_go(lease.id))
    for task in late:
        task.add_done_callback(lambda finished: _stragglers(os.getpid()).put((lease, finished.result())))
    return [task.result() for task in done]


async def _call_one(lease: _Lease, turn: _Turn, limit: asyncio.Semaphore) -> _Heard:
    try:
        async with limit:
            async with asyncio.timeout(lease.action.lease):
                value = await lease.action.call(turn.call, turn.given)
    except Refused as refused:
        if lease.undo:
            return _Heard(turn, None, refused)
        return _Heard(turn, Answer(turn.call, turn.given, refused=refused))
    except Exception as error:  # noqa: BLE001  whatever a client library raises is worth another try
        return _Heard(turn, None, error)
    return _Heard(turn, Answer(turn.call, turn.given, value))


def _record(
    lease: _Lease, heard: Sequence[_Heard], *, late: bool = False, unused: int = 0, settles: bool = False
) -> Ended:
    """Outcome and effect in one transaction, as far as the lease still holds.

    The breaker is told of answers after that, so that nobody waits for it, and of faults before: it says who is spared.
    """
    report = partial(_report, lease, heard, late=late, unused=unused)
    if any(one.error is not None for one in heard):
        return patiently(partial(_write, lease, heard, report(), settles=settles))
    try:
        return patiently(partial(_write, lease, heard, (), settles=settles))
    finally:
        report()


def _write(lease: _Lease, heard: Sequence[_Heard], spared: Collection[UUID], *, settles: bool) -> Ended:
    """May be called twice: what has been written is no longer under the lease."""
    failures = Failures(lease.action, lease.step, lease.undo, lease.id)
    failures.attempts.update({one.turn.call.run_id: one.turn.call.attempt - 1 for one in heard})
    ended = Ended()
    for one in heard:
        if one.error is not None and one.turn.call.run_id not in spared:
            failures.add(one.turn.call.run_id, one.error)
    answers = [one.answer for one in heard if one.answer is not None]

    def save(portion: Sequence[Answer[Any, Any]]) -> None:
        saved = at_best(partial(write, portion))
        ended.runs.extend(saved.runs)
        ended.moves.extend(saved.moves)

    def write(portion: Sequence[Answer[Any, Any]], at_once: bool) -> Ended:
        saved = Ended()
        with transaction.atomic(), gathered():
            locked = lock([answer.call.run_id for answer in portion]) if settles else []
            outcomes = [_outcome(answer, lease.undo) for answer in portion]
            ours = conclude(lease.step, lease.undo, lease.id, outcomes, tell=settles)
            entitled = [answer for answer in portion if answer.call.run_id in ours]
            if entitled:
                with caused_by(Context(actor=lease.action.task), lease.contexts):
                    lease.action.save(entitled)
            called = {answer.call.run_id: answer.call for answer in portion if answer.call.run_id in ours}
            done = Done(lease.action, called, lease.contexts, Known(locked, ours))
            saved.add(done, settles=settles, at_once=at_once)
        return saved

    apart(answers, save, lambda answer, error: failures.add(answer.call.run_id, error))
    ended.runs += failures.write()
    return ended


def _report(lease: _Lease, heard: Sequence[_Heard], *, late: bool, unused: int) -> set[UUID]:
    """Tells the breaker; returns the runs whose failure is the server's absence, which are postponed.

    What a dead server does at once spends no attempt. A straggler's failure may be its own card's, so it does:
    else cards that hang, alone in a quiet night, would keep the breaker open and wait for ever.
    """
    breaker = lease.action.breaker
    if breaker is None:
        return set()
    faults = [one.turn.call.run_id for one in heard if one.error is not None and breaker.is_fault(one.error)]
    answers = sum(one.answer is not None or isinstance(one.error, Refused) for one in heard)
    quick = 0 if late else len(faults)
    wait = breaker.report(lease.permit, answers, len(faults), quick=quick, unused=unused)
    if wait is None or late:
        return set()
    breakers.postpone(lease.action, lease.step, lease.undo, faults, seconds=wait, lease=lease.id)
    return set(faults)


def _outcome(answer: Answer[Any, Any], undo: bool) -> Outcome:
    if answer.refused is not None:
        return Outcome(answer.call.run_id, StepState.REFUSED, answer.refused.code, answer.refused.detail)
    return Outcome(answer.call.run_id, _success(undo))


_one_each = threading.RLock()


def _once(make: Callable[[int], T]) -> Callable[[int], T]:
    """One per process, since threads do not survive a fork; two threads that ask at once get the same one."""
    made = cache(make)

    def give(pid: int) -> T:
        with _one_each:
            return made(pid)

    return give


@_once
def _loop(pid: int) -> asyncio.AbstractEventLoop:
    """The process's event loop."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="saga-network", daemon=True).start()
    return loop


_limits: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _limit() -> asyncio.Semaphore:
    return _limits.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(CONCURRENCY))


@_once
def _stragglers(pid: int) -> queue.SimpleQueue[tuple[_Lease, _Heard]]:
    waiting: queue.SimpleQueue[tuple[_Lease, _Heard]] = queue.SimpleQueue()
    threading.Thread(target=_finish, args=[waiting], name="saga-stragglers", daemon=True).start()
    return waiting


def _finish(waiting: queue.SimpleQueue[tuple[_Lease, _Heard]]) -> None:
    """Writes what stragglers brought, all that has arrived at once."""
    while True:
        arrived = [waiting.get()]
        while not waiting.empty():
            arrived.append(waiting.get())
        by_lease: dict[UUID, tuple[_Lease, list[_Heard]]] = {}
        for lease, heard in arrived:
            by_lease.setdefault(lease.id, (lease, []))[1].append(heard)
        for lease, heard_together in by_lease.values():
            try:
                lease.advance(_record(lease, heard_together, late=True).runs)
            except Exception:  # the lease runs out, and the sweep asks again
                log.exception("a straggler's outcome was not written", step=lease.step)
            finally:
                close_old_connections()
