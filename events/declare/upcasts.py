"""Upcasters convert the data of an older major version, so that code only handles the newest version of an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from events.declare import registry
from events.declare.event import Event
from events.errors import DeclarationError

Upcast = Callable[[dict[str, Any]], dict[str, Any]]

_upcasts: dict[tuple[str, int], Upcast] = {}


def upcast(event: type[Event], version: str) -> Callable[[Upcast], Upcast]:
    """Declares an upcaster: `@upcast(OrderCreated, "1.0")` converts data of any 1.x to 2.0. Upcasters chain.

    The function gets the data as stored, so fields that a later minor version added may be missing. Raises
    DeclarationError if the version is malformed, not older than the event, or already has an upcaster.
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
    """The chain of upcasters from this version to the newest major version; empty for the newest."""
    chain = []
    major = registry.major(version)
    while (step := _upcasts.get((type, major))) is not None:
        chain.append(step)
        major += 1
    return chain


def missing() -> list[tuple[type[Event], int]]:
    """The newest event class of each type, with each older major version that has no upcaster."""
    return [
        (newest, major)
        for newest in registry.newest_of_each()
        for major in range(1, registry.major(newest.version))
        if (newest.type, major) not in _upcasts
    ]
