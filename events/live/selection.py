"""Which events a stream carries, both live and when it reads missed events from the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from events.db.query import execute
from events.live import ports
from events.live import sql as live_sql
from events.models import StoredEvent

Topic = str | UUID
"""The key by which the hub finds listeners: a stream (`order:…`), a stream kind (`order`), an owner, or EVERYTHING."""
EVERYTHING = "*"


class Selection(Protocol):
    @property
    def topics(self) -> Sequence[Topic]:
        """The topics whose events this stream carries. No event may belong to two of them."""

    @property
    def start(self) -> int | None:
        """The id after which a client without Last-Event-ID starts; None: it starts with new events."""

    def id_of(self, event: StoredEvent) -> int:
        """The id to send with this event. Ids must grow within a stream."""

    def missed(self, after: int, until: int, limit: int) -> list[int]:
        """Positions of the events after the id `after`, up to the position `until`, in order; at most `limit`."""


@dataclass(frozen=True)
class OneStream:
    """One aggregate's stream from its first event. Ids are stream versions, which have no gaps."""

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
    """All streams of some kinds, such as `order`."""

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
    """All streams that belong to one owner; the setting LIVE_OWNERS names who knows whose a stream is."""

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
    rows = execute(statement, {"after": after, "until": until, "limit": limit, **more})
    return [position for (position,) in rows]
