"""Appending to the log and reading it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
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


def append(events: Sequence[tuple[Event, int]]) -> list[Recorded]:
    """Appends (event, stream version) pairs and their deliveries; two statements and one per event class.

    Must run inside the transaction of the state change. Raises Conflict when another transaction has
    already written one of those versions.
    """
    if not events:
        return []
    ids, *columns = columns_of(events)
    try:
        with transaction.atomic(savepoint=False):
            positions = [position for (position,) in sql.run(sql.APPEND, [ids, *columns])]
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


def columns_of(events: Sequence[tuple[Event, int]]) -> list[list[Any]]:
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
