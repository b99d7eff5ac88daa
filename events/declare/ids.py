"""Ids in batches: every event needs them, and Python's own UUID is slow to make, to parse and to format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
import uuid_utils

from events.declare.event import Event
from web.typed import convert


def fresh_ids(count: int) -> list[UUID]:
    """New UUIDs of version 7 (RFC 9562) in ascending order."""
    return convert([uuid_utils.uuid7().bytes for _ in range(count)], list[UUID])


def first_id(timestamp: float) -> UUID:
    """No UUID of version 7 that was made at this Unix time or later is smaller, so ids serve as an index of time."""
    return UUID(int=min(max(int(timestamp * 1000), 0), 2**48 - 1) << 80)


def texts_of(ids: Iterable[UUID]) -> list[str]:
    """The same as `str` of each."""
    written: list[str] = msgspec.to_builtins(list(ids))
    return written


def ids_of(texts: Sequence[str]) -> list[UUID]:
    """Parses UUIDs. Raises ValueError if a text is not a UUID."""
    return convert(list(texts), list[UUID])


def subjects_of(events: Iterable[Event]) -> list[str]:
    """The `subject` of each."""
    ids = [getattr(event, event.stream_field) for event in events]
    return texts_of(ids) if set(map(type, ids)) <= {UUID} else list(map(str, ids))
