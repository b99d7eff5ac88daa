"""The registry of subscribers and their delivery options; `events.delivery.subscribe` declares them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from events.breakers.breaker import Breaker
from events.declare import registry
from events.declare.event import Event
from events.declare.queues import Queue, check_queue
from events.declare.read_model import ReadModel
from events.declare.retry import Backoff
from events.errors import DeclarationError

Failures = Mapping[int, Exception]
"""What a batch handler may return: errors by index in its batch. The other events of the batch are done."""


class GivenUp(msgspec.Struct, frozen=True):
    """A delivery that has become dead: it was refused, or its last attempt failed. `error_type` is that of the last."""

    event: Event
    attempts: int
    error_type: str


@dataclass(frozen=True)
class Subscriber:
    """A handler with its delivery options; `events.delivery.subscribe.subscribe` describes them."""

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
    given_up: Callable[[GivenUp], None] | None = None

    @cached_property
    def types(self) -> list[str]:
        """The types of the events that it subscribes to, in any version."""
        return sorted({event.type for event in self.events})

    @property
    def limit(self) -> float | None:
        """Seconds that one call of the handler may take. Without a transaction, it must end before its lease does."""
        return self.time_limit if self.atomic else min(self.time_limit or self.lease, self.lease)

    @property
    def takes_batches(self) -> bool:
        return self.batch > 1

    @property
    def keyword(self) -> str:
        """The name of the handler's optional parameter for idempotency keys."""
        return "keys" if self.takes_batches else "key"

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.handler).parameters)

    @property
    def offered(self) -> tuple[str, ...]:
        """The names of the handler's optional parameters."""
        moments = "times" if self.takes_batches else "time"
        return (self.keyword, moments) if self.read_model is None else (self.keyword, moments, "build")


_subscribers: dict[str, Subscriber] = {}


def add(declared: Subscriber) -> None:
    """Registers a subscriber. Raises DeclarationError, naming the place, for a declaration that cannot work."""
    _check(declared)
    _subscribers[declared.name] = declared


def _check(one: Subscriber) -> None:
    place = f"{one.handler.__module__}.{one.handler.__qualname__}"
    if not one.events:
        raise DeclarationError(f"{place}: subscribes to no event")
    for event in one.events:
        if not registry.is_declared(event):
            raise DeclarationError(f"{place}: subscribes to {event!r}, which is not a declared event")
    check_queue(one.queue, place)
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


def subscribers() -> list[Subscriber]:
    """Every subscriber, by name."""
    return [_subscribers[name] for name in sorted(_subscribers)]


def subscriber(name: str) -> Subscriber | None:
    """The subscriber of this name; None if the code no longer declares it."""
    return _subscribers.get(name)


def listeners(event: type[Event]) -> list[Subscriber]:
    """The subscribers to this event, in any version."""
    return [one for one in subscribers() if event.type in one.types]
