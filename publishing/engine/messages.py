"""What is published, for the AsyncAPI document: the messages, with exactly the headers that they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from events import Event
from publishing.engine.records import JSON, schema_of

Document = dict[str, Any]
Messages = Mapping[str, type[Event]]
"""The events, by the names of their messages in the document."""


def attributes(event: type[Event], prefix: str = "") -> Document:
    """The CloudEvents attributes of one event type, as properties of a schema."""
    own = {
        "specversion": {"const": "1.0"},
        "type": {"const": event.type},
        "dataschema": {"const": schema_of(event.type, event.version)},
        "source": {"type": "string", "format": "uri-reference", "description": "`source` of the envelope"},
        "id": {"type": "string", "format": "uuid", "description": "`eventId`; repeated if the event comes again"},
        "subject": {"type": "string", "pattern": f"^{event.stream_kind}:", "description": "`stream`"},
        "time": {"type": "string", "format": "date-time", "description": "`timestamp`"},
    }
    return {f"{prefix}{name}": schema for name, schema in (own | trace()).items()}


def trace() -> Document:
    return {"traceparent": {"type": "string", "description": "W3C Trace Context; left out if there is no trace"}}


def exactly(properties: Document) -> Document:
    """The schema of an object with these properties and no others. Only those of the trace may be missing."""
    required = [name for name in properties if not name.endswith("traceparent")]
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def message(name: str, event: type[Event], *, headers: Document, bindings: Document) -> Document:
    """The message with the envelope as its payload, which the message `name` of the document has."""
    return {
        "name": event.type,
        "title": f"{event.type} {event.version}",
        "summary": event.__doc__ or event.type,
        "contentType": JSON,
        "headers": headers,
        "payload": envelope(name),
        "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        "bindings": bindings,
    }


def envelope(name: str) -> Document:
    return {"$ref": f"#/components/messages/{name}/payload"}


def named(broker: str, name: str) -> str:
    """The name of a message as this broker carries it."""
    return f"{broker}.{name}"


def channel(address: str, servers: list[str], names: Mapping[str, str], described: Document) -> Document:
    """`names`: of the messages in the channel, with their names in the document."""
    return {
        "address": address,
        "servers": [{"$ref": f"#/servers/{server}"} for server in servers],
        "messages": {name: {"$ref": f"#/components/messages/{whole}"} for name, whole in names.items()},
        **described,
    }


def sending(channel: str) -> Document:
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}
