"""Declares subscribers: `@subscribe(OrderConfirmed, queue=NOTIFICATIONS)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from celery import shared_task

from events.breakers.breaker import Breaker, resolve
from events.db.reconnect import retry_on_disconnect
from events.declare.event import Event
from events.declare.queues import Queue
from events.declare.read_model import ReadModel
from events.declare.retry import Backoff
from events.declare.routing import assign
from events.declare.subscribers import GivenUp, Subscriber, add
from events.delivery.handle import deliver

F = TypeVar("F", bound=Callable[..., Any])


def subscribe(
    *events: type[Event],
    queue: Queue,
    retry: Backoff | None = None,
    batch: int = 1,
    atomic: bool = True,
    ordered: bool = False,
    at_relay: bool = False,
    lease: float = 60.0,
    time_limit: float | None = 300.0,
    gates: frozenset[Queue] = frozenset(),
    breaker: Breaker | str | None = None,
    replay: bool = False,
    read_model: type[ReadModel] | None = None,
    wanted: Callable[[type[Event]], bool] | None = None,
    given_up: Callable[[GivenUp], None] | None = None,
) -> Callable[[F], F]:
    """Makes the handler a Celery task on `queue`, named after its service: `notifications.mail_confirmation`.

    The handler takes one event, or with `batch` above 1 a sequence of events; then it may return `Failures`. Optional
    parameters of the handler: `key` (`keys` with a batch) receives an idempotency key per event, `time` (`times`) the
    time at which the event was recorded. Delivery is at least once, so a handler that is not atomic must be idempotent.

    - `atomic`: the handler runs in the transaction that marks the delivery done. Without it, the handler runs outside
      any transaction, under a lease of `lease` seconds.
    - `time_limit` (seconds): a longer call is interrupted and counts as failed. In a threads pool, blocking calls of a
      client need their own timeouts (see events.db.time_limit).
    - `ordered`: delivers the events of one stream one after the other.
    - `at_relay`: runs inside the relay's claim instead of in a worker; only for short database work.
    - `gates`: further queues that must be nearly empty before the relay sends more.
    - `breaker`: a declared breaker, or its name. While it is open, deliveries are postponed.
    - `replay`: operators may replay old events to this handler.
    - `read_model`: the table that this handler builds from its events alone, so that a rebuild can recreate it from the
      log (see events.declare.read_model). The handler takes `build` and writes only rows of that build.
    - `wanted`: called in the recording transaction for each event; if it returns False, no delivery is created. It must
      be fast. Use it for a subscriber that is idle most of the time.
    - `given_up`: called for each delivery that becomes dead, in the transaction that makes it so; no network work.

    Raises DeclarationError, naming the place, for a declaration that cannot work.
    """

    def declare(handler: F) -> F:
        declared = Subscriber(
            name=f"{handler.__module__.partition('.')[0]}.{handler.__name__}",
            events=events,
            handler=handler,
            queue=queue,
            retry=retry or Backoff(),
            batch=batch,
            atomic=atomic,
            ordered=ordered,
            at_relay=at_relay,
            lease=lease,
            time_limit=time_limit,
            gates=gates | {queue},
            breaker=resolve(breaker, f"{handler.__module__}.{handler.__qualname__}"),
            replay=replay,
            read_model=read_model,
            wanted=wanted,
            given_up=given_up,
        )
        add(declared)
        _as_task(declared)
        return handler

    return declare


def _as_task(subscriber: Subscriber) -> None:
    def task(ids: list[int], lease: str, alone: bool = False) -> None:
        if subscriber.atomic and not alone:
            retry_on_disconnect(deliver)(subscriber, ids, UUID(lease))
        else:  # it waits by itself: a second call would find that it has begun
            deliver(subscriber, ids, UUID(lease), alone=alone)

    task.__doc__ = subscriber.handler.__doc__
    assign(subscriber.name, subscriber.queue)
    # Flower is told of the work, not of the messages that carry it: events.monitor.pieces.
    shared_task(name=subscriber.name, send_events=False)(task)
