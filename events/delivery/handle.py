"""Handles a batch of deliveries: the handler's effect and "done" are one transaction, or guarded by one lease."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby, zip_longest
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
import structlog
from celery import current_task
from django.db import transaction

from events.db.bisect import bisect
from events.db.query import execute
from events.db.reconnect import retry_on_disconnect
from events.db.time_limit import limited
from events.declare import read_model
from events.declare.codec import decode
from events.declare.event import Event
from events.declare.ids import subjects_of, texts_of
from events.declare.subscribers import Subscriber
from events.delivery import given_up, leases, measures, shown, sql, traces
from events.delivery.failures import Attempts, message_of, traceback_of, type_of
from events.delivery.postpone import call_through_breaker
from events.errors import Refused, TimeLimitExceeded
from events.log.bound import bound, fields_of
from events.log.context import Context, caused_by
from events.models import Delivery, DeliveryState
from events.monitor.pieces import Problem, problem_of
from events.tracing.spans import recording

log = structlog.get_logger(__name__)
LEASED = leases.Rows(sql.RENEW, sql.RELEASE_LEASED)
VANISHED = Problem("The worker crashed on every attempt")


class Taken(msgspec.Struct, frozen=True):
    """A delivery that this process has taken, with its event."""

    id: int
    attempts: int
    position: int
    event_id: UUID
    event: Event
    context: Context
    time: datetime | None
    """When the event was recorded; None unless the handler has a parameter `time` or `times`."""
    replay: UUID | None = None
    age: float = 0.0
    """Seconds from the creation of the delivery until it was taken, by the database's clock."""
    again: bool = False
    """It was tried before, or is replayed. False where nothing is traced."""

    def fields(self) -> dict[str, str]:
        """What its log lines carry."""
        return fields_of(self.context, stream=self.event.stream)

    def key(self, subscriber: Subscriber) -> str:
        """The idempotency key of this event for this subscriber, the same for every attempt.

        A replay is meant to repeat the effect, so each replay has its own keys.
        """
        again = f":{self.replay}" if self.replay else ""
        return f"{subscriber.name}:{self.event_id}{again}"


class _Failure(NamedTuple):
    """A row of `sql.FAIL`, by the names of its parameters."""

    id: int
    delay: float
    dead: bool
    error_type: str
    error: str
    traceback: str
    duration_ms: int


@dataclass
class _Unfinished:
    """The deliveries of a batch that are not done."""

    subscriber: Subscriber
    attempts: Attempts[int] = field(default_factory=lambda: Attempts(_failed_attempts))
    started: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.time)
    failures: list[_Failure] = field(default_factory=list)
    problems: list[shown.Failed] = field(default_factory=list)
    postponed: list[int] = field(default_factory=list)
    """The breaker was open; no attempt is spent."""
    taken: dict[int, Taken] = field(default_factory=dict)
    """What was taken last, by id, for the log."""
    hung: list[int] = field(default_factory=list)
    """Their batch was cut off; each is sent again alone."""

    def fail(self, delivery_id: int, error: Exception) -> None:
        attempt, retry = self.attempts.failed(delivery_id), self.subscriber.retry
        dead = isinstance(error, Refused) or retry.exhausted(attempt)
        texts = type_of(error), message_of(error), traceback_of(error)
        duration = int((time.monotonic() - self.started) * 1000)
        self.failures.append(_Failure(delivery_id, retry.delay(attempt), dead, *texts, duration))
        self.problems.append(shown.Failed(delivery_id, problem_of(error), attempt, dead))
        one = self.taken.get(delivery_id)
        log.warning(
            "delivery failed", subscriber=self.subscriber.name, delivery=delivery_id, error=texts[0], dead=dead,
            **(one.fields() if one else {}),
        )  # fmt: skip

    def ids(self) -> list[int]:
        return [failure.id for failure in self.failures] + self.postponed + self.hung

    def show_left(self) -> None:
        if self.subscriber.breaker is not None:
            why = f"Postponed: the breaker {self.subscriber.breaker.name} is open"
            shown.left(self.subscriber, self.postponed, why, self.began)
        shown.left(self.subscriber, self.hung, "Cut off by the time limit: each is sent again by itself", self.began)

    def write_failures(self, lease: UUID | None) -> None:
        """In one statement; under a lease, those that it still holds."""
        if self.failures:
            columns = (list(column) for column in zip(*self.failures, strict=True))
            rows = dict(zip(_Failure._fields, columns, strict=True))
            with given_up.telling(self.subscriber):
                counted = {id_ for (id_,) in execute(sql.FAIL, {**rows, "lease": lease, "worker": worker_name()})}
                given_up.tell(self.subscriber, list(counted))
                dead = sum(failure.dead for failure in self.failures if failure.id in counted)
                measures.failed(self.subscriber, retried=len(counted) - dead, dead=dead)
            shown.failed(self.subscriber, [one for one in self.problems if one.id in counted], self.began)


def _failed_attempts(delivery_id: int) -> int:
    return Delivery.objects.filter(id=delivery_id).values_list("attempts", flat=True).first() or 0


def worker_name() -> str:
    """The name of the Celery node that runs this task; outside a task, the host name."""
    request = getattr(current_task, "request", None)
    return str(getattr(request, "hostname", None) or socket.gethostname())


def deliver(subscriber: Subscriber, ids: Sequence[int], lease: UUID, *, alone: bool = False) -> None:
    """Passes these deliveries to their subscriber's handler and stores the outcome of each.

    Idempotent and safe to call concurrently: it skips deliveries that are done or that another process is handling.
    Must run outside a transaction. `alone`: an earlier message got no outcome, so this delivery may crash its worker.
    """
    if alone:
        ids = _begin_alone(subscriber, ids, lease)
    unfinished = _Unfinished(subscriber)
    held = None if subscriber.atomic else _take_over(subscriber, ids, lease)
    mine = list(ids) if held is None else held[1]
    with leases.held(held[0], LEASED, {"ids": mine}) if held else nullcontext():
        attempt = partial(_attempt, subscriber, unfinished, held and held[0])
        for round_ in _rounds(subscriber, mine):
            healthy = _without_blocked(subscriber, round_, unfinished)
            for portion in _portions(subscriber, healthy):
                bisect(portion, attempt, unfinished.fail)
        unfinished.write_failures(held and held[0])
    if unfinished.hung:
        execute(sql.RELEASE, {"ids": unfinished.hung, "unsent": 0})
    unfinished.show_left()


def deliver_within(subscriber: Subscriber, ids: Sequence[int]) -> None:
    """Like `deliver`, for an atomic and unordered subscriber, inside the caller's transaction.

    Raises whatever the handler raises and does not bisect the batch: the caller must roll back and call `deliver`.
    """
    unfinished = _Unfinished(subscriber)
    for portion in _portions(subscriber, ids):
        for delivery_id, error in _handle(subscriber, unfinished, None, portion, savepoint=False).items():
            unfinished.fail(delivery_id, error)
    unfinished.write_failures(None)


def _begin_alone(subscriber: Subscriber, ids: Sequence[int], lease: UUID) -> list[int]:
    """Counts an earlier attempt without an outcome as failed; returns the deliveries that may be tried again."""
    with given_up.telling(subscriber):
        rows = execute(sql.BEGIN_ALONE, {"ids": list(ids), "lease": lease, "attempts": subscriber.retry.attempts})
        dead = [id_ for id_, state in rows if state == DeliveryState.DEAD]
        given_up.tell(subscriber, dead)
        measures.failed(subscriber, retried=0, dead=len(dead))
    attempts = subscriber.retry.attempts
    shown.failed(subscriber, [shown.Failed(id_, VANISHED, attempts, True) for id_ in dead], time.time())
    for id_, state in rows:
        if state == DeliveryState.DEAD:
            message = "delivery dead-lettered: the worker crashed on every attempt"
            log.error(message, subscriber=subscriber.name, delivery=id_)
    return [id_ for id_, state in rows if state != DeliveryState.DEAD]


@retry_on_disconnect
def _take_over(subscriber: Subscriber, ids: Sequence[int], lease: UUID) -> tuple[UUID, list[int]]:
    mine = uuid4()
    rows = execute(sql.TAKE_OVER, [mine, leases.first_term(subscriber.lease), list(ids), lease])
    ours = {id_ for (id_,) in rows}
    return mine, [id_ for id_ in ids if id_ in ours]


def _portions(subscriber: Subscriber, ids: Sequence[int]) -> list[Sequence[int]]:
    size = subscriber.batch
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _rounds(subscriber: Subscriber, ids: Sequence[int]) -> list[Sequence[int]]:
    """One round with all deliveries; for an ordered subscriber, each round has at most one delivery per stream."""
    if not subscriber.ordered:
        return [ids]
    rows = Delivery.objects.filter(id__in=ids).order_by("stream", "event_id").values_list("stream", "id")
    lines = [[id_ for _, id_ in line] for _, line in groupby(rows, key=lambda row: row[0])]
    return [[id_ for id_ in place if id_ is not None] for place in zip_longest(*lines)]


def _without_blocked(subscriber: Subscriber, ids: Sequence[int], unfinished: _Unfinished) -> Sequence[int]:
    """Releases the deliveries whose stream has an earlier one that is unfinished."""
    if not (subscriber.ordered and (earlier := unfinished.ids())):
        return ids
    streams = Delivery.objects.filter(id__in=earlier).values("stream")
    blocked = set(Delivery.objects.filter(id__in=ids, stream__in=streams).values_list("id", flat=True))
    if blocked:
        execute(sql.RELEASE, {"ids": list(blocked), "unsent": 1})
    return [id_ for id_ in ids if id_ not in blocked]


def _attempt(subscriber: Subscriber, unfinished: _Unfinished, lease: UUID | None, ids: Sequence[int]) -> None:
    """A batch that hangs is not taken apart, which would hang again and again: its events are sent one by one."""
    handle = partial(_handle, subscriber, unfinished, lease)
    try:
        if subscriber.breaker is None or lease is None:
            failed: Mapping[int, Exception] = handle(ids)
        else:
            before = len(unfinished.postponed)
            failed = call_through_breaker(subscriber.breaker, lease, ids, handle, unfinished.postponed)
            measures.POSTPONED.add(len(unfinished.postponed) - before, subscriber.name)
    except TimeLimitExceeded:
        if len(ids) == 1:
            raise
        log.warning("batch cut off; it goes on one by one", subscriber=subscriber.name, deliveries=len(ids))
        unfinished.hung.extend(set(ids).difference(unfinished.postponed))
        return
    for delivery_id, error in failed.items():
        unfinished.fail(delivery_id, error)


def _handle(
    subscriber: Subscriber, unfinished: _Unfinished, lease: UUID | None, ids: Sequence[int], *, savepoint: bool = True
) -> Mapping[int, Exception]:
    """Calls the handler once with those still pending; returns the failures that it reports. Raises what it raises."""
    if lease is None:
        with transaction.atomic(savepoint=savepoint):
            taken, since = _take(subscriber, ids, unfinished), time.monotonic()
            bad = _call(subscriber, taken)
            took = time.monotonic() - since
            done = [one for one in taken if one.id not in bad]
            execute(sql.DONE, [[one.id for one in done]])
            measures.handled(subscriber, [one.age for one in done], since, took, _traces(done))
    else:
        taken, since = _take(subscriber, ids, unfinished), time.monotonic()
        bad = _call(subscriber, taken)
        took = time.monotonic() - since
        done = [one for one in taken if one.id not in bad]
        ours = {id_ for (id_,) in retry_on_disconnect(execute)(sql.DONE_UNDER_LEASE, [[one.id for one in done], lease])}
        done = [one for one in done if one.id in ours]
        measures.handled(subscriber, [one.age for one in done], since, took, _traces(done))
    return bad


def _traces(taken: Sequence[Taken]) -> Sequence[str]:
    return [one.context.traceparent for one in taken] if recording() else ()


def _take(subscriber: Subscriber, ids: Sequence[int], unfinished: _Unfinished) -> list[Taken]:
    rows = execute(sql.TAKE, [bool({"time", "times"} & set(subscriber.parameters)), recording(), list(ids)])
    unfinished.attempts.taken({row[0]: row[1] for row in rows})
    taken = [
        Taken(
            id_, attempts, position, event_id, decode(type_, version, data),
            Context(correlation, causation, actor, trace), time_, replay, age, again or False,
        )
        for (
            id_, attempts, _, position, event_id, _, type_, version, data, correlation, actor, trace, time_, replay,
            age, again,
        ), causation in zip(rows, texts_of(row[4] for row in rows), strict=True)
    ]  # fmt: skip
    unfinished.taken = {one.id: one for one in taken}
    return taken


def _call(subscriber: Subscriber, taken: Sequence[Taken]) -> dict[int, Exception]:
    """Calls the handler, for a read model with its live build; returns the failures that it reports, by id."""
    if subscriber.read_model is None:
        return hand_over(subscriber, taken)
    live = read_model.hold_live(subscriber.read_model)
    return hand_over(subscriber, [one for one in taken if one.position > live.boundary], live.build)


def hand_over(subscriber: Subscriber, taken: Sequence[Taken], build: int | None = None) -> dict[int, Exception]:
    """Calls the handler in the context of its events; returns the failures that it reports, by delivery id."""
    if not taken:
        return {}
    given = [one.context for one in taken]
    if not recording():
        return _call_handler(subscriber, taken, given, build)
    ids, again = [one.causation_id for one in given], [one.again for one in taken]
    with traces.Handling(subscriber, given, ids, again) as handling:
        errors = _call_handler(subscriber, taken, handling.contexts, build)
        handling.failed({place: errors[one.id] for place, one in enumerate(taken) if one.id in errors})
    return errors


def _call_handler(
    subscriber: Subscriber, taken: Sequence[Taken], given: Sequence[Context], build: int | None
) -> dict[int, Exception]:
    """In these contexts, one for each event."""
    began = time.time()
    default = given[0] if len(taken) == 1 else Context(actor=subscriber.name)
    subjects = subjects_of(one.event for one in taken)
    contexts = dict(zip(subjects, given, strict=True))
    logged = bound(taken, Taken.fields, subscriber=subscriber.name)
    with logged, caused_by(default, contexts), limited(subscriber.limit):
        if not subscriber.takes_batches:
            (one,) = taken
            subscriber.handler(one.event, **_wanted(subscriber, key=lambda: one.key(subscriber), time=lambda: one.time))
            shown.handled(subscriber, subjects, began, one.attempts + 1)
            return {}
        wanted = _wanted(
            subscriber,
            keys=lambda: [one.key(subscriber) for one in taken],
            times=lambda: [one.time for one in taken],
            build=lambda: build,
        )
        failed = subscriber.handler([one.event for one in taken], **wanted) or {}
    done = [subject for place, subject in enumerate(subjects) if place not in failed] if failed else subjects
    shown.handled(subscriber, done, began, taken[0].attempts + 1)
    return {taken[place].id: error for place, error in failed.items()}


def _wanted(subscriber: Subscriber, **offered: Callable[[], Any]) -> dict[str, Any]:
    """The keyword arguments that the handler has parameters for."""
    return {name: value() for name, value in offered.items() if name in subscriber.parameters}
