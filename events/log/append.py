"""Appends events to the log and reads them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction

from events.db.query import execute
from events.declare.codec import encode
from events.declare.event import Event
from events.declare.ids import fresh_ids, subjects_of
from events.errors import Conflict
from events.log import sql
from events.log.context import Context, context_of
from events.models import StoredEvent
from events.signals import domain_event
from events.tracing import names
from events.tracing.spans import Kind, Shape, Span, begin, end_all, recording, shape, trace_id_of, was_sampled


class Recorded(msgspec.Struct, frozen=True):
    """An event with its position in the log."""

    event: Event
    event_id: UUID
    position: int
    stream_version: int


def source_of(event: Event) -> str:
    """Who emits it, as the wire format names it: `loan-service` for `loan:<id>`, `carrier` for a foreign event."""
    return event.origin


class Columns(list[list[Any]]):
    """One list per column of the log, in the order of `sql.APPEND`; the first list holds new event ids."""

    spans: Sequence[Span] = ()
    """Of the traced events among them. The caller that writes the columns ends them."""


Numbered = Sequence[tuple[Event, int]]
"""Pairs of an event and its stream version."""
_waiting: ContextVar[list[tuple[Numbered, Columns]] | None] = ContextVar("gathered_events", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """Collects the events recorded within the block and appends them in one batch when it ends.

    Must run inside the transaction of the state change. Appends nothing if the block raises. Raises Conflict as
    `append` does.
    """
    token = _waiting.set([])
    try:
        yield
        flush()
    finally:
        _waiting.reset(token)


def flush() -> None:
    """Appends the events collected by `gathered` so far; does nothing outside `gathered`. Raises Conflict."""
    waiting = _waiting.get()
    if waiting:
        parts, columns = zip(*waiting, strict=True)
        waiting.clear()
        whole = Columns(list(chain(*column)) for column in zip(*columns, strict=True))
        whole.spans = [span for one in columns for span in one.spans]
        _append(list(chain(*parts)), whole)


def record(events: Numbered) -> None:
    """Appends events and their deliveries: immediately, or at the end of a surrounding `gathered`. Raises Conflict."""
    waiting = _waiting.get()
    if waiting is None:
        append(events)
    elif events:
        waiting.append((events, columns_of(events)))  # built now: the context may differ when the block ends


def append(events: Numbered) -> list[Recorded]:
    """Appends events and their deliveries with one statement, plus one per event class for the deliveries.

    Must run inside the transaction of the state change. Raises Conflict if another transaction has already written
    one of these stream versions.
    """
    return _append(events, columns_of(events)) if events else []


def _append(events: Numbered, columns: Columns) -> list[Recorded]:
    ids = columns[0]
    try:
        with transaction.atomic(savepoint=False):
            positions = [position for (position,) in execute(sql.APPEND, columns)]
    except IntegrityError as error:
        if "one_event_per_stream_version" in str(error):
            raise Conflict("Another transaction wrote to the same stream first: read again and retry.") from error
        raise
    if columns.spans:
        end_all(columns.spans)
    recorded = [
        Recorded(event, event_id, position, version)
        for event_id, position, (event, version) in zip(ids, positions, events, strict=True)
    ]
    _announce(recorded)
    return recorded


def columns_of(events: Numbered, contexts: Sequence[Context] | None = None) -> Columns:
    """The columns of these events. `contexts`: one for each, in place of the current one."""
    now = datetime.now(UTC)
    subjects = subjects_of(event for event, _ in events)
    contexts = contexts or [context_of(subject) for subject in subjects]
    ids, traces = fresh_ids(len(events)), [context.traceparent for context in contexts]
    spans = _begin_spans(events, ids, contexts, traces) if recording() else ()
    columns = Columns(
        (
            ids,
            [f"{event.stream_kind}:{subject}" for (event, _), subject in zip(events, subjects, strict=True)],
            [version for _, version in events],
            [event.type for event, _ in events],
            [event.version for event, _ in events],
            [encode(event) for event, _ in events],
            [source_of(event) for event, _ in events],
            [context.actor for context in contexts],
            [context.correlation_id for context in contexts],
            [context.causation_id for context in contexts],
            traces,
            [now] * len(events),
        )
    )
    columns.spans = spans
    return columns


def _begin_spans(events: Numbered, ids: Sequence[UUID], contexts: Sequence[Context], traces: list[str]) -> list[Span]:
    """A span for each traced event; the event carries the span's context, so that what it causes hangs below it.

    A later request about the same subject is a trace of its own: it gets a link to the one in which its stream began.
    """
    spans, later = [], []
    for place, (event, version) in enumerate(events):
        span = begin(traces[place], _shape(event.type), (names.MESSAGING_MESSAGE_ID, str(ids[place])))
        if span is not None:
            traces[place] = span.context
            spans.append(span)
            if version > 1 and not contexts[place].causation_id:  # no event has caused it, so a request has
                later.append((event.stream, span))
    if later:
        _link_to_beginnings(later)
    return spans


def _link_to_beginnings(later: Sequence[tuple[str, Span]]) -> None:
    """One statement for any number of streams."""
    began = dict(execute(sql.FIRST_CONTEXTS, [list({stream for stream, _ in later})]))
    for stream, span in later:
        context = began.get(stream, "")
        if was_sampled(context) and trace_id_of(context) != span.trace_id:
            span.links = (context,)


def _shape(type: str) -> Shape:
    return shape(
        f"append {type}", Kind.PRODUCER, (names.MESSAGING_SYSTEM, names.LOG), (names.MESSAGING_DESTINATION_NAME, type),
        (names.MESSAGING_OPERATION_NAME, "append"), (names.MESSAGING_OPERATION_TYPE, "create"),
    )  # fmt: skip


def _announce(recorded: list[Recorded]) -> None:
    by_class: dict[type[Event], list[Recorded]] = {}
    for one in recorded:
        by_class.setdefault(type(one.event), []).append(one)
    for cls, ones in by_class.items():
        domain_event.send(sender=cls, recorded=ones)


def emit(events: Iterable[Event], contexts: Sequence[Context] | None = None) -> list[Recorded]:
    """Appends events that belong to no aggregate row, each at the end of its stream.

    `contexts`: one for each event, in place of the current one. Must run inside a transaction. Raises Conflict if
    another transaction appends to one of the streams concurrently.
    """
    flush()  # keeps the order: events recorded earlier come first
    events = list(events)
    streams = [event.stream for event in events]
    versions = dict(execute(sql.LAST_VERSIONS, [list(set(streams))]))
    numbered = []
    for event, stream in zip(events, streams, strict=True):
        versions[stream] += 1
        numbered.append((event, versions[stream]))
    return _append(numbered, columns_of(numbered, contexts)) if numbered else []


def read(streams: Sequence[str]) -> list[StoredEvent]:
    """The events of these streams in the order of the log."""
    return list(StoredEvent.objects.filter(stream__in=streams).order_by("position"))
