"""The declarations as an AsyncAPI 3.0 document: https://www.asyncapi.com/docs/reference/specification/v3.0.0"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from django.urls import reverse

from events.catalogue import installed, listeners_of, service_of
from events.event import Event
from events.log_wire import Envelope
from events.subscribers import Subscriber

Document = dict[str, Any]
SCHEMAS = "#/components/schemas/{name}"
LIVE, WEBHOOKS = "live", "webhooks"
CLOUD_EVENT = {
    "type": "object",
    "description": "CloudEvents 1.0 in binary mode: set where the stream has headers, prefixed as its binding says"
    " (`ce_` on Kafka, `cloudEvents:` on AMQP). The body is the envelope all the same.",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "`eventId` of the envelope"},
        "ce_source": {"type": "string", "description": "`source`"},
        "ce_type": {"type": "string", "description": "`eventType`"},
        "ce_subject": {"type": "string", "description": "`stream`"},
        "ce_time": {"type": "string", "format": "date-time", "description": "`timestamp`"},
        "ce_dataschema": {"type": "string", "format": "uri", "description": "The JSON Schema of `data`"},
    },
}


def asyncapi() -> Document:
    """Of what installed applications declare: a channel for each kind of streams, and one for each way out."""
    events = installed()
    references, schemas = msgspec.json.schema_components([Envelope, *events], ref_template=SCHEMAS)
    envelope, *data = references
    kinds = sorted({event.stream_kind for event in events})
    messages = {name_of(event): _message(event, envelope, own) for event, own in zip(events, data, strict=True)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events",
            "version": "1.0.0",
            "description": "Every event is one envelope, the same on every wire; its `data` are what the type says.",
        },
        "defaultContentType": "application/json",
        "servers": {name: _server(url) for name, url in settings.EVENT_SERVERS.items()},
        "channels": {kind: _channel(kind, events) for kind in kinds} | _outward(events),
        "operations": _emitting(kinds, events) | _listening(events) | _sending(),
        "components": {
            "schemas": schemas,
            "messages": messages,
            "messageTraits": {"cloudEvent": {"headers": CLOUD_EVENT}},
            "correlationIds": {"correlation": {"location": "$message.payload#/correlationId"}},
        },
    }


def name_of(event: type[Event]) -> str:
    return f"{event.type}-{event.version}"


def _server(url: str) -> Document:
    """Of its address the user and password are left out."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return {"host": f"{parts.hostname}{port}", "protocol": parts.scheme}


def _message(event: type[Event], envelope: Document, data: Document) -> Document:
    told = {"eventType": {"const": event.type}, "version": {"const": event.version}, "data": data}
    return {
        "name": event.type,
        "title": f"{event.type} {event.version}",
        "summary": event.__doc__ or event.type,
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        "payload": {"allOf": [envelope, {"type": "object", "properties": told}]},
        "externalDocs": {"url": f"{settings.PUBLIC_URL}{reverse('event-schema', args=[event.type, event.version])}"},
    }


# --- channels ------------------------------------------------------------------------------------------------


def _channel(kind: str, events: Sequence[type[Event]]) -> Document:
    """Without an address: inside, deliveries take events to their subscribers."""
    return {
        "address": None,
        "title": f"Streams of {kind}",
        "description": f"All streams `{kind}:<id>`, each in the order of its `streamVersion`.",
        "messages": _messages([event for event in events if event.stream_kind == kind]),
    }


def _outward(events: Sequence[type[Event]]) -> Document:
    return {
        LIVE: {
            "address": f"{reverse('replays').removesuffix('replays/')}stream/",
            "title": "Server-sent events",
            "description": "`id` is the place in the stream: `Last-Event-ID` resumes there without a gap.",
            "servers": [{"$ref": "#/servers/api"}],
            "messages": _messages(events),
        },
        WEBHOOKS: {
            "address": None,
            "title": "Webhooks",
            "description": "The address that a client registered; signed as Standard Webhooks.",
            "messages": _messages(events),
        },
    }


def _messages(events: Sequence[type[Event]]) -> Document:
    return {name_of(event): {"$ref": f"#/components/messages/{name_of(event)}"} for event in events}


# --- operations ----------------------------------------------------------------------------------------------


def _emitting(kinds: Sequence[str], events: Sequence[type[Event]]) -> Document:
    emitters = {kind: service_of(next(one for one in events if one.stream_kind == kind)) for kind in kinds}
    return {
        f"{kind}.emit": _operation("send", kind, [one for one in events if one.stream_kind == kind])
        | {"summary": f"{emitters[kind]} records what happened."}
        for kind in kinds
    }


def _listening(events: Sequence[type[Event]]) -> Document:
    """One operation for each subscriber and each kind of streams that it listens to."""
    heard: dict[tuple[str, str], list[type[Event]]] = {}
    subscribers: dict[str, Subscriber] = {}
    for event in events:
        for one in listeners_of(event):
            subscribers[one.name] = one
            heard.setdefault((one.name, event.stream_kind), []).append(event)
    return {
        f"{name}.{kind}": _operation("receive", kind, theirs) | {"summary": subscribers[name].handler.__doc__ or name}
        for (name, kind), theirs in heard.items()
    }


def _sending() -> Document:
    return {
        f"{channel}.send": {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}
        for channel in (LIVE, WEBHOOKS)
    }


def _operation(action: str, channel: str, events: Sequence[type[Event]]) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name_of(event)}"} for event in events],
    }
