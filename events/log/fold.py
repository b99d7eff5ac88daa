"""Rebuilds the state of aggregates from the log: folds the events of a stream with the aggregate's `evolve`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from events.db.query import execute
from events.declare.codec import decode
from events.declare.event import Event
from events.errors import UnknownEvent
from events.log import sql
from events.log.aggregate import Aggregate

S = TypeVar("S")


class NoSuchVersion(Exception):
    """The stream has no such version. Ask for a version from 1 to its last."""


@dataclass
class History:
    """The events of one stream in order of version. `error`: why one of them cannot be decoded, or empty."""

    versions: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    error: str = ""

    @property
    def whole(self) -> bool:
        return self.versions == list(range(1, len(self.versions) + 1))


def fold(evolve: Callable[[S | None, Any], S], events: Iterable[Event]) -> S | None:
    """The state after all events; None without events."""
    state: S | None = None
    for event in events:
        state = evolve(state, event)
    return state


def histories(streams: Sequence[str]) -> dict[str, History]:
    """Reads many streams in one statement. A stream without events has an empty history."""
    found = {stream: History() for stream in streams}
    for stream, version, type_, declared, data in execute(sql.HISTORIES, [list(streams)]):
        history = found[stream]
        history.versions.append(version)
        try:
            history.events.append(decode(type_, declared, data))
        except (UnknownEvent, msgspec.ValidationError) as error:
            history.error = history.error or f"version {version} cannot be decoded: {error}"
    return found


def as_of(aggregate: Aggregate, version: int) -> Any:
    """The aggregate's state at this version of its stream. Raises NoSuchVersion, or UnknownEvent."""
    history = histories([aggregate.stream])[aggregate.stream]
    if history.error:
        raise UnknownEvent(f"{aggregate.stream}: {history.error}")
    if not 1 <= version <= len(history.events):
        raise NoSuchVersion(f"{aggregate.stream} has no version {version}: its last version is {len(history.events)}")
    return fold(aggregate.evolve, history.events[:version])
