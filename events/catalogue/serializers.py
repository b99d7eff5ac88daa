"""Response bodies of the log API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.urls import reverse

from events.catalogue.markdown import listeners_of
from events.declare.event import Event
from events.declare.foreign import emitter_of
from events.declare.subscribers import Subscriber

Declared = type[Event]


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """An event as sent on every channel."""

    event_id: UUID
    event_type: str
    version: str
    timestamp: datetime
    source: str
    data: dict[str, Any]
    stream: str
    stream_version: int
    correlation_id: str
    causation_id: str
    traceparent: str


class Listener(msgspec.Struct, frozen=True, rename="camel"):
    """A subscriber. `atRelay`: the relay itself runs it, as with sagas. `replay`: old events may be replayed to it."""

    name: str
    description: str
    queue: str
    at_relay: bool
    replay: bool

    @classmethod
    def of(cls, one: Subscriber) -> Listener:
        return cls(one.name, one.handler.__doc__ or "", str(one.queue), one.at_relay, one.replay)


class EventType(msgspec.Struct, frozen=True, rename="camel"):
    """One version of a declared event type. `stream`: the stream kind; `schema`: the URL of its JSON Schema."""

    type: str
    version: str
    description: str
    emitted_by: str
    stream: str
    schema: str
    listeners: list[Listener]

    @classmethod
    def of(cls, event: Declared) -> EventType:
        return cls(
            type=event.type,
            version=event.version,
            description=event.__doc__ or "",
            emitted_by=emitter_of(event),
            stream=event.stream_kind,
            schema=reverse("event-schema", args=[event.type, event.version]),
            listeners=[Listener.of(one) for one in listeners_of(event)],
        )
