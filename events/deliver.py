"""What a worker does with a batch of deliveries: the effect and "done" are one transaction, or one lease."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import structlog
from celery import current_task
from django.db import transaction

from events import leases, read_model, sql
from events.codec import decode
from events.context import Context, caused_by
from events.errors import Refused, TimeLimitExceeded
from events.event import Event
from events.ids import subjects_of, texts_of
from events.isolation import apart
from events.models import Delivery, DeliveryState
from events.patience import patiently
from events.postpone import through
from events.time_limit import limited

if TYPE_CHECKING:
    from events.subscribers import Subscriber

log = structlog.get_logger(__name__)
LEASED = leases.Rows(sql.RENEW, sql.HAND_BACK)


class Taken(msgspec.Struct, frozen=True):
    """A delivery that is ours for now, with its event."""

    id: int
    attempts: int
    position: int
    event_id: UUID
    event: Event
    context: Context
    time: datetime | None
    """When it was recorded, if the subscriber asks for that."""
    replay: UUID | None = None

    def key(self, subscriber: Subscriber) -> str:
        """The idempotency key of this event's effect through this subscriber, however often it is tried.

        Whoever replays wants the effect again, so each replay has keys of its own.
        """
        again = f":{self.replay}" if self.replay else ""
        return f"{subscriber.name}:{self.event_id}{again}"


@dataclass
class _Failures:
    """Collected over a batch and written as one statement."""

    subscriber: Subscriber
    started: float = field(default_factory=time.monotonic)
    rows: list[tuple[int, float, bool, str, str, str, int]] = field(default_factory=list)
    attempts: dict[int, int] = field(default_factory=dict)
    postponed: list[int] = field(default_factory=list)
    hung: list[int] = field(default_factory=list)

    def add(self, delivery_id: int, error: Exception) -> None:
        attempt = self._failed_before(delivery_id) + 1
        retry = self.subscriber.retry
        dead = isinstance(error, Refused) or retry.exhausted(attempt)
        milliseconds = int((time.monotonic() - self.started) * 1000)
        text = "".join(traceback.format_exception(error))
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        self.rows.append((delivery_id, retry.delay(attempt), dead, name, str(error), text, milliseconds))
        log.warning("delivery failed", subscriber=self.subscriber.name, delivery=delivery_id, error=name, dead=dead)

    def _failed_before(self, delivery_id: int) -> int:
        """Known from taking the delivery; asked for where taking it was what failed (an undecodable event)."""
        if delivery_id not in self.attempts:
            rows = Delivery.objects.filter(id=delivery_id).values_list("attempts", flat=True)
            self.attempts[delivery_id] = rows.first() or 0
        return self.attempts[delivery_id]

    def write(self, lease: UUID | None) -> None:
        if not self.rows:
            return
        columns: list[list[object]] = [list(column) for column in zip(*self.rows, strict=True)]
        ids, delays, dead, types, errors, tracebacks, durations = columns
        parameters = {"ids": ids, "delays": delays, "dead": dead, "types": types, "durations": durations}
        # PostgreSQL's text holds no NUL; an error message may.
        parameters["errors"] = [str(text).replace("\0", "") for text in errors]
        parameters["tracebacks"] = [str(text).replace("\0", "") for text in tracebacks]
        sql.run(sql.FAIL, {**parameters, "lease": lease, "worker": worker_name()})


def worker_name() -> str:
    """The Celery node that runs this, or the host's name outside of a task."""
    request = getattr(current_task, "request", None)
    return str(getattr(request, "hostname", None) or socket.gethostname())


def deliver(subscriber: Subscriber, ids: Sequence[int], lease: UUID, *, alone: bool = False) -> None:
    """Hands these deliveries to their subscriber and writes down the outcome of each.

    Safe to call twice, at once or later: a delivery that is done, or being handled by someone else, is left alone.
    `alone`: it was sent before and never answered, so it may be what kills its worker.
    """
    if alone:
        ids = _begin_alone(subscriber, ids, lease)
    failures = _Failures(subscriber)
    held = None if subscriber.atomic else patiently(partial(_take_over, subscriber, ids, lease))
    mine = list(ids) if held is None else held[1]
    with leases.held(held[0], LEASED, {"ids": mine}) if held else nullcontext():
        attempt = partial(_attempt, subscriber, failures, held and held[0])
        for round_ in _rounds(subscriber, mine):
            healthy = _without_blocked(subscriber, round_, failures)
            for portion in _portions(subscriber, healthy):
                apart(portion, attempt, failures.add)
        failures.write(held and held[0])
    if failures.hung:
        sql.run(sql.RELEASE, {"ids": failures.hung, "unsent": 0})


def deliver_within(subscriber: Subscriber, ids: Sequence[int]) -> None:
    """As `deliver`, for an atomic and unordered subscriber in the caller's transaction; raises what its handler raises.

    Nothing is taken apart: the caller gives up its transaction, and calls `deliver` in another one.
    """
    failures = _Failures(subscriber)
    for portion in _portions(subscriber, ids):
        for delivery_id, error in _handle(subscriber, failures, None, portion, savepoint=False).items():
            failures.add(delivery_id, error)
    failures.write(None)


def _begin_alone(subscriber: Subscriber, ids: Sequence[int], lease: UUID) -> list[int]:
    """Counts what an earlier try left unanswered; returns what may be tried once more."""
    rows = sql.run(sql.BEGIN_ALONE, {"ids": list(ids), "lease": lease, "attempts": subscriber.retry.attempts})
    for id_, state in rows:
        if state == DeliveryState.DEAD:
            log.error("delivery dead: whoever handles it vanishes", subscriber=subscriber.name, delivery=id_)
    return [id_ for id_, state in rows if state != DeliveryState.DEAD]


def _take_over(subscriber: Subscriber, ids: Sequence[int], lease: UUID) -> tuple[UUID, list[int]]:
    mine = uuid4()
    rows = sql.run(sql.TAKE_OVER, [mine, leases.first_term(subscriber.lease), list(ids), lease])
    ours = {id_ for (id_,) in rows}
    return mine, [id_ for id_ in ids if id_ in ours]


def _portions(subscriber: Subscriber, ids: Sequence[int]) -> list[Sequence[int]]:
    size = subscriber.batch
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _rounds(subscriber: Subscriber, ids: Sequence[int]) -> list[Sequence[int]]:
    """All at once; where order is asked for, one round per place in line, each with one event of every stream."""
    if not subscriber.ordered:
        return [ids]
    rows = Delivery.objects.filter(id__in=ids).order_by("stream", "event_id").values_list("stream", "id")
    lines = [[id_ for _, id_ in line] for _, line in groupby(rows, key=lambda row: row[0])]
    return [[id_ for id_ in place if id_ is not None] for place in zip_longest(*lines)]


def _without_blocked(subscriber: Subscriber, ids: Sequence[int], failures: _Failures) -> Sequence[int]:
    """Gives back what stands in line behind a failure of its own stream."""
    failed = [row[0] for row in failures.rows] + failures.postponed + failures.hung
    if not (subscriber.ordered and failed):
        return ids
    streams = Delivery.objects.filter(id__in=failed).values("stream")
    blocked = set(Delivery.objects.filter(id__in=ids, stream__in=streams).values_list("id", flat=True))
    if blocked:
        sql.run(sql.RELEASE, {"ids": list(blocked), "unsent": 1})
    return [id_ for id_ in ids if id_ not in blocked]


def _attempt(subscriber: Subscriber, failures: _Failures, lease: UUID | None, ids: Sequence[int]) -> None:
    """A batch that hangs is not taken apart, which would hang again and again: its events are sent one by one."""
    handle = partial(_handle, subscriber, failures, lease)
    try:
        if subscriber.breaker is None or lease is None:
            failed: Mapping[int, Exception] = handle(ids)
        else:
            failed = through(subscriber.breaker, lease, ids, handle, failures.postponed)
    except TimeLimitExceeded:
        if len(ids) == 1:
            raise
        log.warning("batch cut off; it goes on one by one", subscriber=subscriber.name, deliveries=len(ids))
        failures.hung.extend(set(ids).difference(failures.postponed))
        return
    for delivery_id, error in failed.items():
        failures.add(delivery_id, error)


def _handle(
    subscriber: Subscriber, failures: _Failures, lease: UUID | None, ids: Sequence[int], *, savepoint: bool = True
) -> Mapping[int, Exception]:
    """One call of the handler with what is still to be done of these: what it says failed. Raises what it raises."""
    if lease is None:
        with transaction.atomic(savepoint=savepoint):
            taken = _take(subscriber, ids, failures)
            bad = _call(subscriber, taken)
            sql.run(sql.DONE, [[one.id for one in taken if one.id not in bad]])
    else:
        taken = _take(subscriber, ids, failures)
        bad = _call(subscriber, taken)
        done = [one.id for one in taken if one.id not in bad]
        patiently(partial(sql.run, sql.DONE_UNDER_LEASE, [done, lease]))  # the effect is there: not to be had again
    return bad


def _take(subscriber: Subscriber, ids: Sequence[int], failures: _Failures) -> list[Taken]:
    rows = sql.run(sql.TAKE, [bool({"time", "times"} & set(subscriber.parameters)), list(ids)])
    failures.attempts.update({row[0]: row[1] for row in rows})
    return [
        Taken(
            id_, attempts, position, event_id, decode(type_, version, data),
            Context(correlation, causation, actor, trace), time_, replay,
        )
        for (
            id_, attempts, _, position, event_id, _, type_, version, data, correlation, actor, trace, time_, replay,
        ), causation in zip(rows, texts_of(row[4] for row in rows), strict=True)
    ]  # fmt: skip


def _call(subscriber: Subscriber, taken: Sequence[Taken]) -> dict[int, Exception]:
    """Returns the deliveries that the handler says failed."""
    if subscriber.read_model is None:
        return hand_over(subscriber, taken)
    live = read_model.hold_live(subscriber.read_model)
    return hand_over(subscriber, [one for one in taken if one.position > live.boundary], live.build)


def hand_over(subscriber: Subscriber, taken: Sequence[Taken], build: int | None = None) -> dict[int, Exception]:
    """Calls the handler, in the context of what it is handed; returns by id what it says failed."""
    if not taken:
        return {}
    default = taken[0].context if len(taken) == 1 else Context(actor=subscriber.name)
    subjects = subjects_of(one.event for one in taken)
    contexts = {subject: one.context for subject, one in zip(subjects, taken, strict=True)}
    with caused_by(default, contexts), limited(subscriber.limit):
        if not subscriber.takes_batches:
            (one,) = taken
            subscriber.handler(one.event, **_wanted(subscriber, key=lambda: one.key(subscriber), time=lambda: one.time))
            return {}
        wanted = _wanted(
            subscriber,
            keys=lambda: [one.key(subscriber) for one in taken],
            times=lambda: [one.time for one in taken],
            build=lambda: build,
        )
        failed = subscriber.handler([one.event for one in taken], **wanted) or {}
    return {taken[place].id: error for place, error in failed.items()}


def _wanted(subscriber: Subscriber, **offered: Callable[[], Any]) -> dict[str, Any]:
    """Of what there is to know beside the events, what its handler has parameters for."""
    return {name: value() for name, value in offered.items() if name in subscriber.parameters}
