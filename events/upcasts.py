"""Upcasters: what a major version changed, told once beside the event, so that old events are read as new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from events import registry
from events.errors import DeclarationError

if TYPE_CHECKING:
    from events.event import Event

Upcast = Callable[[dict[str, Any]], dict[str, Any]]

_upcasts: dict[tuple[str, int], Upcast] = {}


def upcast(event: type[Event], version: str) -> Callable[[Upcast], Upcast]:
    """`@upcast(OrderCreated, "1.0")`: makes data of any 1.x into data of 2.0, and the next one takes them further.

    It gets the data as they stand in the log, so fields that a minor version added may be missing.
    Raises DeclarationError for a version that is none, or is not older than the event, or was told before.
    """

    def declare(function: Upcast) -> Upcast:
        place = f"{function.__module__}.{function.__qualname__}"
        if not registry.is_declared(event):
            raise DeclarationError(f"{place}: {event!r} is not a declared event")
        major = _major_of(version, place)
        if major >= registry.major(event.version):
            raise DeclarationError(f"{place}: version={version!r} must be of a major version before {event.version}")
        known = _upcasts.get((event.type, major))
        if known is not None and (known.__module__, known.__qualname__) != (function.__module__, function.__qualname__):
            raise DeclarationError(f"{place}: {event.type} {major}.x is upcast by {known.__qualname__} already")
        _upcasts[event.type, major] = function
        return function

    return declare


def _major_of(version: str, place: str) -> int:
    try:
        return registry.major(version)
    except ValueError:
        raise DeclarationError(f'{place}: version={version!r} must look like "1.0"') from None


def upcasts_from(type: str, version: str) -> Sequence[Upcast]:
    """What has to be done to data of this version, in turn; nothing for the newest major one."""
    chain = []
    major = registry.major(version)
    while (step := _upcasts.get((type, major))) is not None:
        chain.append(step)
        major += 1
    return chain


def missing() -> list[tuple[type[Event], int]]:
    """Events with the major version that cannot become the next one."""
    return [
        (newest, major)
        for newest in registry.newest_of_each()
        for major in range(1, registry.major(newest.version))
        if (newest.type, major) not in _upcasts
    ]
