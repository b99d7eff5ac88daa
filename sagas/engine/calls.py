"""Making the calls of a leased batch: concurrently, on one event loop in a thread of the worker process.

A task waits for its batch only as long as the action's patience. Calls that take longer are stragglers: their results
come through a queue of this process. A process that dies takes its calls with it: their leases run out, and the sweep
sends the steps again.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from events import Refused
from events.breakers.breaker import Permit, State
from events.delivery import leases
from events.log.context import Context
from events.tracing.spans import within
from sagas.definition import Step
from sagas.engine import sql
from sagas.engine.steps import performing
from sagas.traces.steps import StepSpans
from sagas.values import Answer, Call, NetworkAction

LEASED = leases.Rows(sql.RENEW, sql.RELEASE_LEASED)
CONCURRENCY = 256
"""Calls under way at the same time, per process."""
NO_PERMIT = Permit(0, State.CLOSED)


class PreparedCall(msgspec.Struct, frozen=True):
    """One call of a leased batch, with what the action loaded for it."""

    call: Call
    loaded: Any


@dataclass(frozen=True)
class Lease:
    """A batch of steps that is ours for a while."""

    action: NetworkAction
    declared: Step
    undo: bool
    id: UUID
    contexts: Mapping[str, Context]
    permit: Permit = NO_PERMIT
    seconds: dict[UUID, float] = field(default_factory=dict)
    """How long the call of each run took."""
    began: float = 0.0
    """When its calls were begun, as Unix time."""
    spans: StepSpans | None = None
    """Of its traced runs. Each ends when the outcome of its call is written."""

    @property
    def step(self) -> str:
        return self.declared.name


class CallResult(msgspec.Struct, frozen=True):
    """What a call brought: an answer, or an error worth another attempt."""

    prepared: PreparedCall
    answer: Answer[Any, Any] | None
    error: Exception | None = None


@dataclass(frozen=True)
class _Process:
    """What the calls of one process share. Threads do not survive a fork, so each process makes its own."""

    loop: asyncio.AbstractEventLoop
    limit: asyncio.Semaphore
    stragglers: queue.SimpleQueue[tuple[Lease, CallResult]]


_one_at_a_time = threading.Lock()


def make_calls(lease: Lease, calls: Sequence[PreparedCall]) -> list[CallResult]:
    """The results that came within the action's patience; the others come through `next_stragglers`."""
    process = _process()
    return asyncio.run_coroutine_threadsafe(_call_all(process, lease, calls), process.loop).result()


def next_stragglers() -> list[tuple[Lease, list[CallResult]]]:
    """Waits for late results of this process; all that have arrived, by lease."""
    stragglers = _process().stragglers
    arrived = [stragglers.get()]
    while not stragglers.empty():
        arrived.append(stragglers.get())
    by_lease: dict[UUID, tuple[Lease, list[CallResult]]] = {}
    for lease, result in arrived:
        by_lease.setdefault(lease.id, (lease, []))[1].append(result)
    return list(by_lease.values())


async def _call_all(process: _Process, lease: Lease, calls: Sequence[PreparedCall]) -> list[CallResult]:
    leases.hold(lease.id, LEASED, {"ids": [one.call.run_id for one in calls], "step": lease.step})
    tasks = [asyncio.create_task(_call_one(lease, one, process.limit)) for one in calls]
    done, late = await asyncio.wait(tasks, timeout=lease.action.patience)
    asyncio.gather(*late).add_done_callback(lambda _: leases.let_go(lease.id))
    for task in late:
        task.add_done_callback(lambda finished: process.stragglers.put((lease, finished.result())))
    return [task.result() for task in done]


async def _call_one(lease: Lease, one: PreparedCall, limit: asyncio.Semaphore) -> CallResult:
    async with limit:
        began = time.monotonic()
        subject = str(one.call.subject)
        mine = {subject: lease.contexts[subject]} if subject in lease.contexts else lease.contexts
        try:
            with performing(lease.step, mine):
                return await _result_of(lease, one)
        finally:
            lease.seconds[one.call.run_id] = time.monotonic() - began


async def _result_of(lease: Lease, one: PreparedCall) -> CallResult:
    try:
        async with asyncio.timeout(lease.action.lease):
            value = await _called(lease, one)
    except Refused as refused:
        if lease.undo:
            return CallResult(one, None, refused)
        return CallResult(one, Answer(one.call, one.loaded, refused=refused))
    except Exception as error:  # noqa: BLE001  whatever a client library raises is worth another attempt
        return CallResult(one, None, error)
    return CallResult(one, Answer(one.call, one.loaded, value))


async def _called(lease: Lease, one: PreparedCall) -> Any:
    span = lease.spans.of(one.call.run_id) if lease.spans else None
    if span is None:
        return await lease.action.call(one.call, one.loaded)
    with within(span):
        return await lease.action.call(one.call, one.loaded)


def _process() -> _Process:
    with _one_at_a_time:  # two threads that ask concurrently get the same one
        return _process_of(os.getpid())


@cache
def _process_of(pid: int) -> _Process:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="saga-network", daemon=True).start()
    return _Process(loop, asyncio.Semaphore(CONCURRENCY), queue.SimpleQueue())
