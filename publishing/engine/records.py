"""What is published: the envelope of an event as bytes, with what the brokers put into their headers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.urls import reverse

from events.db.query import execute
from events.declare.codec import encode_json
from events.declare.foreign import foreign_events
from events.models import envelope
from publishing import sql

JSON = "application/json"


class Record(msgspec.Struct, frozen=True):
    """One event as it is published. Up to `data`, the columns of `sql.EVENTS`."""

    position: int
    event_id: str
    type: str
    version: str
    timestamp: str
    source: str
    stream: str
    stream_version: int
    correlation_id: str
    causation_id: str
    traceparent: str
    seconds: int
    """When it was recorded, since 1970."""
    data: bytes

    @property
    def kind(self) -> str:
        """The kind of its aggregate, such as `order`."""
        return self.stream.partition(":")[0]

    @property
    def body(self) -> bytes:
        """The envelope: the same bytes as in the API and in a webhook."""
        return encode_json(
            envelope(
                event_id=self.event_id,
                type=self.type,
                version=self.version,
                timestamp=self.timestamp,
                source=self.source,
                data=msgspec.Raw(self.data),
                stream=self.stream,
                stream_version=self.stream_version,
                correlation_id=self.correlation_id,
                causation_id=self.causation_id,
                traceparent=self.traceparent,
            )
        )


def fixed_attributes(type: str, version: str, source: str) -> dict[str, str]:
    """The CloudEvents attributes that events of one type share. The data of the CloudEvent is the envelope."""
    return {"specversion": "1.0", "type": type, "source": source, "dataschema": schema_of(type, version)}


def own_attributes(record: Record) -> dict[str, str]:
    """The CloudEvents attributes that each event has of its own."""
    found = {"id": record.event_id, "subject": record.stream, "time": record.timestamp}
    if record.traceparent:
        found["traceparent"] = record.traceparent
    return found


@lru_cache(maxsize=1000)
def schema_of(type: str, version: str) -> str:
    """The address of the JSON Schema of what is the data of the CloudEvent: the envelope."""
    return str(settings.PUBLIC_URL + reverse("envelope-schema", args=[type, version]))


def between(after: int, until: int, slot: int, slots: int) -> list[Record]:
    """The events of a slot after a position, up to another one, in the order of the log."""
    statement = sql.EVENTS_OF_ALL if slots == 1 else sql.EVENTS_OF_SLOT
    return _records(execute(statement, {"after": after, "until": until, "slot": slot, "slots": slots}))


def of_stream(stream: str, since: int, until: int, limit: int) -> list[Record]:
    """The events of one stream from a position on, up to another one, in the order of the stream."""
    return _records(execute(sql.EVENTS_OF_STREAM, {"stream": stream, "since": since, "until": until, "limit": limit}))


def _records(rows: Sequence[tuple[Any, ...]]) -> list[Record]:
    """Without what the shop has received itself: consumers get that from its source."""
    foreign = {event.type for event in foreign_events()}
    return [_record(*row) for row in rows if row[2] not in foreign]


def _record(*columns: Any) -> Record:
    """Without the spaces that PostgreSQL puts into JSON."""
    text = columns[-1]
    return Record(*columns[:-1], encode_json(msgspec.json.decode(text)))  # type: ignore[call-arg]
