"""Ids, many at once: a batch is on every order's path, and Python's own UUID is slow to make, to read and to write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
import uuid_utils

from events.event import Event
from events.typed import convert


def fresh_ids(count: int) -> list[UUID]:
    """New ones in their order, of version 7 (RFC 9562)."""
    return convert([uuid_utils.uuid7().bytes for _ in range(count)], list[UUID])


def texts_of(ids: Iterable[UUID]) -> list[str]:
    """As `str` writes each of them."""
    written: list[str] = msgspec.to_builtins(list(ids))
    return written


def ids_of(texts: Sequence[str]) -> list[UUID]:
    """Raises ValueError for what is none."""
    return convert(list(texts), list[UUID])


def subjects_of(events: Iterable[Event]) -> list[str]:
    """The `subject` of each."""
    ids = [getattr(event, event.stream_field) for event in events]
    return texts_of(ids) if set(map(type, ids)) <= {UUID} else list(map(str, ids))
