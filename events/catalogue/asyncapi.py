"""Renders the declared events as an AsyncAPI 3.0 document.

The specification: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.module_loading import import_string

from events.catalogue.envelopes import envelopes
from events.catalogue.markdown import installed, listeners_of
from events.conf import event_settings
from events.declare.event import Event
from events.declare.foreign import ForeignEvent
from events.declare.registry import service_of
from events.declare.subscribers import Subscriber

Document = dict[str, Any]
SCHEMAS = "#/components/schemas/{name}"
LIVE = "live"
PARTS = ("servers", "channels", "operations", "messages")


def asyncapi() -> Document:
    """The document for the events of installed applications: channels per stream kind, and those that brokers carry."""
    events = installed()
    payloads, schemas = envelopes(events, SCHEMAS)
    kinds = sorted({event.stream_kind for event in events})
    messages = {name_of(event): _message(event, payload) for event, payload in zip(events, payloads, strict=True)}
    carried = _carried({name_of(event): event for event in events})
    servers = {name: _server(url) for name, url in event_settings.EVENT_SERVERS.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events",
            "version": "1.0.0",
            "description": "Every event has the same envelope on every channel; its type defines the schema of `data`.",
        },
        "defaultContentType": "application/json",
        "servers": servers | carried["servers"],
        "channels": {kind: _channel(kind, events) for kind in kinds} | _outward(events) | carried["channels"],
        "operations": _emitting(kinds, events) | _listening(events) | _sending() | carried["operations"],
        "components": {
            "schemas": schemas,
            "messages": messages | carried["messages"],
            "correlationIds": {"correlation": {"location": "$message.payload#/correlationId"}},
        },
    }


def _carried(messages: Mapping[str, type[Event]]) -> Mapping[str, Document]:
    """What brokers carry. The kernel does not know; the setting EVENT_BROKERS names a function that does."""
    path = event_settings.EVENT_BROKERS
    return import_string(path)(messages) if path else {part: {} for part in PARTS}


def name_of(event: type[Event]) -> str:
    return f"{event.type}-{event.version}"


def _server(url: str) -> Document:
    """The server of a URL, without user and password."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return {"host": f"{parts.hostname}{port}", "protocol": parts.scheme}


def _message(event: type[Event], payload: Document) -> Document:
    return {
        "name": event.type,
        "title": f"{event.type} {event.version}",
        "summary": event.__doc__ or event.type,
        "contentType": "application/json",
        "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        "payload": payload,
        "externalDocs": {"url": event_settings.PUBLIC_URL + reverse("event-schema", args=[event.type, event.version])},
    }


# --- channels ------------------------------------------------------------------------------------------------


def _channel(kind: str, events: Sequence[type[Event]]) -> Document:
    """The channel of a stream kind. It has no address, because deliveries carry events to subscribers internally."""
    return {
        "address": None,
        "title": f"Streams of {kind}",
        "description": f"All streams `{kind}:<id>`, each in the order of its `streamVersion`.",
        "messages": _messages([event for event in events if event.stream_kind == kind]),
    }


def _outward(events: Sequence[type[Event]]) -> Document:
    own = [event for event in events if not issubclass(event, ForeignEvent)]
    return {
        LIVE: {
            "address": f"{reverse('replays').removesuffix('replays/')}stream/",
            "title": "Server-sent events",
            "description": "`id` is the position in the stream; `Last-Event-ID` resumes after it without a gap.",
            "servers": [{"$ref": "#/servers/api"}],
            "messages": _messages(events),
        },
    } | {name: {"address": None, **told, "messages": _messages(own)} for name, told in _further_channels().items()}


def _further_channels() -> Mapping[str, Document]:
    """Ways out that the project adds: their titles and descriptions, by name."""
    return event_settings.EVENT_CHANNELS


def _messages(events: Sequence[type[Event]]) -> Document:
    return {name_of(event): {"$ref": f"#/components/messages/{name_of(event)}"} for event in events}


# --- operations ----------------------------------------------------------------------------------------------


def _emitting(kinds: Sequence[str], events: Sequence[type[Event]]) -> Document:
    emitters = {kind: _emitter(next(one for one in events if one.stream_kind == kind)) for kind in kinds}
    return {
        f"{kind}.emit": _operation("send", kind, [one for one in events if one.stream_kind == kind])
        | {"summary": emitters[kind]}
        for kind in kinds
    }


def _emitter(event: type[Event]) -> str:
    if issubclass(event, ForeignEvent):
        return f"The inbox appends these events, which come from {event.origin}."
    return f"{service_of(event)} records these events."


def _listening(events: Sequence[type[Event]]) -> Document:
    """One operation per subscriber and stream kind that it subscribes to."""
    received: dict[tuple[str, str], list[type[Event]]] = {}
    subscribers: dict[str, Subscriber] = {}
    for event in events:
        for one in listeners_of(event):
            subscribers[one.name] = one
            received.setdefault((one.name, event.stream_kind), []).append(event)
    return {
        f"{name}.{kind}": _operation("receive", kind, theirs) | {"summary": subscribers[name].handler.__doc__ or name}
        for (name, kind), theirs in received.items()
    }


def _sending() -> Document:
    return {
        f"{channel}.send": {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}
        for channel in (LIVE, *_further_channels())
    }


def _operation(action: str, channel: str, events: Sequence[type[Event]]) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name_of(event)}"} for event in events],
    }
