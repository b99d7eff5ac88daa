"""Which events one stream carries, live and out of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from events import sql
from events.live import ports
from events.live import sql as live_sql
from events.models import StoredEvent

Topic = str | UUID
"""What the hub sorts by: a stream (`order:…`), a kind of streams (`order`), an owner, or EVERYTHING."""
EVERYTHING = "*"


class Selection(Protocol):
    @property
    def topics(self) -> Sequence[Topic]:
        """An event of one of them is for this stream. No event may have two of them."""

    @property
    def start(self) -> int | None:
        """After which id a client begins that names none; None: with what comes, where ids are positions."""

    def id_of(self, event: StoredEvent) -> int:
        """The client's place once it has this event: ids only grow."""

    def missed(self, after: int, until: int, limit: int) -> list[int]:
        """Positions of what comes behind the id `after`, up to the position `until`, in order."""


@dataclass(frozen=True)
class OneStream:
    """One aggregate's stream, from its first event on. Its versions have no gaps, so they are the ids."""

    stream: str
    start: int = 0

    @property
    def topics(self) -> Sequence[Topic]:
        return (self.stream,)

    def id_of(self, event: StoredEvent) -> int:
        return event.stream_version

    def missed(self, after: int, until: int, limit: int) -> list[int]:
        return _ask(live_sql.MISSED_OF_STREAM, after, until, limit, stream=self.stream)


@dataclass(frozen=True)
class Everything:
    """The whole log."""

    start: int | None = None

    @property
    def topics(self) -> Sequence[Topic]:
        return (EVERYTHING,)

    def id_of(self, event: StoredEvent) -> int:
        return event.position

    def missed(self, after: int, until: int, limit: int) -> list[int]:
        return _ask(live_sql.MISSED, after, until, limit)


@dataclass(frozen=True)
class Kinds:
    """All streams of these kinds, such as `order`."""

    kinds: tuple[str, ...]
    start: int | None = None

    @property
    def topics(self) -> Sequence[Topic]:
        return self.kinds

    def id_of(self, event: StoredEvent) -> int:
        return event.position

    def missed(self, after: int, until: int, limit: int) -> list[int]:
        return _ask(live_sql.MISSED_OF_KINDS, after, until, limit, kinds=list(self.kinds))


@dataclass(frozen=True)
class Owned:
    """All streams that belong to one owner; `settings.LIVE_OWNERS` names who knows whose a stream is."""

    owner: UUID
    start: int | None = None

    @property
    def topics(self) -> Sequence[Topic]:
        return (self.owner,)

    def id_of(self, event: StoredEvent) -> int:
        return event.position

    def missed(self, after: int, until: int, limit: int) -> list[int]:
        streams = ports.streams_of(self.owner)
        return _ask(live_sql.MISSED_OF_STREAMS, after, until, limit, streams=streams)


def _ask(statement: str, after: int, until: int, limit: int, **more: object) -> list[int]:
    rows = sql.run(statement, {"after": after, "until": until, "limit": limit, **more})
    return [position for (position,) in rows]
