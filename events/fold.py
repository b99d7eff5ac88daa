"""What the log says of aggregates: the events of a stream, folded by the aggregate's own `evolve`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from events import sql
from events.aggregate import Aggregate
from events.codec import decode
from events.errors import UnknownEvent
from events.event import Event

S = TypeVar("S")


class NoSuchVersion(Exception):
    """The stream does not reach this version, or there is none so small: ask for one from 1 to its last."""


@dataclass
class History:
    """The events of one stream, in order of version; `error` says why one of them cannot be read."""

    versions: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    error: str = ""

    @property
    def whole(self) -> bool:
        return self.versions == list(range(1, len(self.versions) + 1))


def fold(evolve: Callable[[S | None, Any], S], events: Iterable[Event]) -> S | None:
    """None if there are no events."""
    state: S | None = None
    for event in events:
        state = evolve(state, event)
    return state


def histories(streams: Sequence[str]) -> dict[str, History]:
    """One statement; a stream without events has an empty history."""
    found = {stream: History() for stream in streams}
    for stream, version, type_, declared, data in sql.run(sql.HISTORIES, [list(streams)]):
        history = found[stream]
        history.versions.append(version)
        try:
            history.events.append(decode(type_, declared, data))
        except (UnknownEvent, msgspec.ValidationError) as error:
            history.error = history.error or f"version {version} cannot be read: {error}"
    return found


def as_of(aggregate: Aggregate, version: int) -> Any:
    """The aggregate as it was at this version of its stream. Raises NoSuchVersion."""
    history = histories([aggregate.stream])[aggregate.stream]
    if history.error:
        raise UnknownEvent(f"{aggregate.stream}: {history.error}")
    if not 1 <= version <= len(history.events):
        raise NoSuchVersion(f"{aggregate.stream} has no version {version}: it is at {len(history.events)}")
    return fold(aggregate.evolve, history.events[:version])
