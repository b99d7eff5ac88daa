"""Declaring who listens: `@subscribe(OrderConfirmed, queue=Queue.NOTIFICATIONS)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from celery import shared_task

from events import registry
from events.breaker import Breaker, resolve
from events.errors import DeclarationError
from events.event import Event
from events.queues import Queue
from events.retry import Backoff

if TYPE_CHECKING:
    from events.read_model import ReadModel

F = TypeVar("F", bound=Callable[..., Any])
Failures = Mapping[int, Exception]
"""What a batch handler may return: the places in its batch that failed, with their errors. The others are done."""


@dataclass(frozen=True)
class Subscriber:
    """A handler with all that is needed to deliver to it."""

    name: str
    events: tuple[type[Event], ...]
    handler: Callable[..., Any]
    queue: Queue
    retry: Backoff
    batch: int
    atomic: bool
    ordered: bool
    at_relay: bool
    lease: float
    gates: frozenset[Queue]
    time_limit: float | None = None
    breaker: Breaker | None = None
    replay: bool = False
    read_model: type[ReadModel] | None = None
    wanted: Callable[[type[Event]], bool] | None = None

    @cached_property
    def types(self) -> list[str]:
        """Of the events that it listens to, in every version of them."""
        return sorted({event.type for event in self.events})

    @property
    def limit(self) -> float | None:
        """Seconds that one call of the handler may take; outside a transaction it must not outlive its lease."""
        return self.time_limit if self.atomic else min(self.time_limit or self.lease, self.lease)

    @property
    def takes_batches(self) -> bool:
        return self.batch > 1

    @property
    def keyword(self) -> str:
        """The parameter that receives idempotency keys, where the handler has it."""
        return "keys" if self.takes_batches else "key"

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.handler).parameters)

    @property
    def offered(self) -> tuple[str, ...]:
        """The parameters that a handler may have beside the events."""
        moments = "times" if self.takes_batches else "time"
        return (self.keyword, moments) if self.read_model is None else (self.keyword, moments, "build")


_subscribers: dict[str, Subscriber] = {}


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
) -> Callable[[F], F]:
    """The handler becomes a Celery task on `queue`, named after its service: `notifications.mail_confirmation`.

    With `batch` above 1 it takes a sequence of events and may return `Failures`; otherwise one event. A parameter
    `key` (`keys` with a batch) receives an idempotency key per event. `atomic`: the effect and "done" are one
    transaction; without it the handler runs outside any, under a lease of `lease` seconds. `time_limit`: a call
    that takes longer is cut off and counts as failed; a client's blocking calls need timeouts of their own in a
    threads pool (see events.time_limit). `ordered`: one
    stream's events one after the other. `at_relay`: run inside the relay's own claim instead of by a
    message; only for short database work. `gates`: further queues that must have run nearly empty before the
    relay lets more through. `breaker`: a declared one, or its name; while it is open, deliveries are postponed.

    `replay`: it may be handed old events again, on request. `read_model`: the table that it makes of its events alone,
    so that a rebuild makes it anew from the log (see events.read_model); it then takes `build` and writes rows of that
    build only. A parameter `times` (`time` without a batch) receives when each event was recorded.

    `wanted`: asked whenever an event is recorded, in its transaction; a no means no delivery. For a subscriber that is
    idle more often than not; it must be quick.

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
        )
        _check(declared)
        _subscribers[declared.name] = declared
        _as_task(declared)
        return handler

    return declare


def _check(one: Subscriber) -> None:
    place = f"{one.handler.__module__}.{one.handler.__qualname__}"
    if not one.events:
        raise DeclarationError(f"{place}: subscribes to no event")
    for event in one.events:
        if not registry.is_declared(event):
            raise DeclarationError(f"{place}: subscribes to {event!r}, which is not a declared event")
    if not isinstance(one.queue, Queue):
        raise DeclarationError(f"{place}: queue={one.queue!r} is unknown; it must be one of {', '.join(Queue)}")
    if one.batch < 1 or one.lease <= 0:
        raise DeclarationError(f"{place}: batch must be at least 1 and lease above 0 seconds")
    if one.at_relay and not (one.atomic and one.takes_batches):
        raise DeclarationError(f"{place}: at_relay needs atomic=True and a batch")
    if one.time_limit is not None and one.time_limit <= 0:
        raise DeclarationError(f"{place}: time_limit must be above 0 seconds, or None for no limit")
    if one.breaker and one.atomic:
        raise DeclarationError(f"{place}: a breaker is for network work, which needs atomic=False")
    if not one.parameters or not set(one.parameters[1:]) <= set(one.offered):
        raise DeclarationError(
            f"{place}: takes {one.parameters}; it must take the event{'s' * one.takes_batches}"
            f" and, if wanted, {', '.join(f'`{name}`' for name in one.offered)}"
        )
    if one.read_model is not None:
        _check_read_model(one, place)
    known = _subscribers.get(one.name)
    if known is not None and known.handler.__module__ != one.handler.__module__:
        raise DeclarationError(f"{place}: the name {one.name} is taken by {known.handler.__module__}")


def _check_read_model(one: Subscriber, place: str) -> None:
    if not (one.replay and one.atomic and one.takes_batches) or one.at_relay:
        raise DeclarationError(f"{place}: read_model needs replay=True, atomic=True, a batch, and no at_relay")
    if "build" not in one.parameters:
        raise DeclarationError(f"{place}: with read_model it must take `build`, and write rows of that build only")
    taken = [other.name for other in subscribers() if other.read_model is one.read_model and other.name != one.name]
    if taken:
        raise DeclarationError(f"{place}: the read model belongs to {taken[0]}")


def _as_task(subscriber: Subscriber) -> None:
    from events.deliver import deliver
    from events.patience import patiently

    def task(ids: list[int], lease: str, alone: bool = False) -> None:
        work = partial(deliver, subscriber, ids, UUID(lease), alone=alone)
        if subscriber.atomic and not alone:  # else it waits by itself: a second call would find it begun
            patiently(work)
        else:
            work()

    task.__doc__ = subscriber.handler.__doc__
    shared_task(name=subscriber.name)(task)


def subscribers() -> list[Subscriber]:
    """Every subscriber, by name."""
    return [_subscribers[name] for name in sorted(_subscribers)]


def subscriber(name: str) -> Subscriber | None:
    """The subscriber of this name, if the code still has it."""
    return _subscribers.get(name)


def listeners(event: type[Event]) -> list[Subscriber]:
    """Who listens to this event, in any version of it."""
    return [one for one in subscribers() if event.type in one.types]
