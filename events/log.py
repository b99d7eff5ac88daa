"""Appending to the log and reading it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction

from events import sql
from events.codec import encode
from events.context import context_of
from events.errors import Conflict
from events.event import Event
from events.ids import fresh_ids, subjects_of
from events.models import StoredEvent
from events.signals import domain_event


class Recorded(msgspec.Struct, frozen=True):
    """An event with the place that it got in the log."""

    event: Event
    event_id: UUID
    position: int
    stream_version: int


def source_of(event: Event) -> str:
    """The service that emits it, as the wire format names it: `order-service`."""
    return f"{event.stream_kind}-service"


Numbered = Sequence[tuple[Event, int]]
"""Events, each with its version in its stream."""
_waiting: ContextVar[list[tuple[Numbered, list[list[Any]]]] | None] = ContextVar("gathered_events", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """What is recorded within the block is appended at its end, as one batch: for a transaction of several parts.

    Must run inside the transaction; where the block raises, nothing is appended. Raises Conflict, as `append` does.
    """
    token = _waiting.set([])
    try:
        yield
        flush()
    finally:
        _waiting.reset(token)


def flush() -> None:
    """Appends now what was recorded within `gathered` so far; nothing elsewhere. Raises Conflict."""
    waiting = _waiting.get()
    if waiting:
        parts, columns = zip(*waiting, strict=True)
        waiting.clear()
        _append(list(chain(*parts)), [list(chain(*column)) for column in zip(*columns, strict=True)])


def record(events: Numbered) -> None:
    """Appends these and their deliveries, at once or with what else is `gathered`. Raises Conflict."""
    waiting = _waiting.get()
    if waiting is None:
        append(events)
    elif events:
        waiting.append((events, columns_of(events)))  # now, for the context is that of this part


def append(events: Numbered) -> list[Recorded]:
    """Appends events and their deliveries; one statement and one per event class.

    Must run inside the transaction of the state change. Raises Conflict when another transaction has
    already written one of those versions.
    """
    return _append(events, columns_of(events)) if events else []


def _append(events: Numbered, columns: Sequence[list[Any]]) -> list[Recorded]:
    ids = columns[0]
    try:
        with transaction.atomic(savepoint=False):
            positions = [position for (position,) in sql.run(sql.APPEND, columns)]
    except IntegrityError as error:
        if "one_event_per_stream_version" in str(error):
            raise Conflict("another transaction wrote to the same stream first: read it again and retry") from error
        raise
    recorded = [
        Recorded(event, event_id, position, version)
        for event_id, position, (event, version) in zip(ids, positions, events, strict=True)
    ]
    _announce(recorded)
    return recorded


def columns_of(events: Numbered) -> list[list[Any]]:
    """(event, stream version) pairs as the columns of the log, in the order of `sql.APPEND`: new ids first."""
    now = datetime.now(UTC)
    subjects = subjects_of(event for event, _ in events)
    contexts = [context_of(subject) for subject in subjects]
    return [
        fresh_ids(len(events)),
        [f"{event.stream_kind}:{subject}" for (event, _), subject in zip(events, subjects, strict=True)],
        [version for _, version in events],
        [event.type for event, _ in events],
        [event.version for event, _ in events],
        [encode(event) for event, _ in events],
        [source_of(event) for event, _ in events],
        [context.actor for context in contexts],
        [context.correlation_id for context in contexts],
        [context.causation_id for context in contexts],
        [context.traceparent for context in contexts],
        [now] * len(events),
    ]


def _announce(recorded: list[Recorded]) -> None:
    by_class: dict[type[Event], list[Recorded]] = {}
    for one in recorded:
        by_class.setdefault(type(one.event), []).append(one)
    for cls, ones in by_class.items():
        domain_event.send(sender=cls, recorded=ones)


def emit(events: Iterable[Event]) -> list[Recorded]:
    """Appends events that belong to no aggregate row: each goes to the end of its stream.

    Raises Conflict when another transaction appends to one of those streams at the same instant.
    """
    flush()  # what was recorded before comes before these
    events = list(events)
    streams = [event.stream for event in events]
    versions = dict(sql.run(sql.LAST_VERSIONS, [list(set(streams))]))
    numbered = []
    for event, stream in zip(events, streams, strict=True):
        versions[stream] += 1
        numbered.append((event, versions[stream]))
    return append(numbered)


def read(streams: Sequence[str]) -> list[StoredEvent]:
    """The events of these streams, in the order in which they were recorded."""
    return list(StoredEvent.objects.filter(stream__in=streams).order_by("position"))
