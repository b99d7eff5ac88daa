"""The JSON Schema of an event's envelope: the same on every channel, but for the type and its `data`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from events.catalogue.serializers import Envelope
from events.declare.event import Event

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def envelopes(events: Sequence[type[Event]], ref_template: str) -> tuple[list[Schema], Schema]:
    """The schema of each event's envelope, and the schemas of what they refer to, by name."""
    (envelope, *data), parts = msgspec.json.schema_components([Envelope, *events], ref_template=ref_template)
    return [_envelope(envelope, event, own) for event, own in zip(events, data, strict=True)], parts


def envelope_schema(event: type[Event], version: str = "") -> Schema:
    """The schema of one event's envelope, complete in itself; with a `version`, of an older one of the same major."""
    (envelope, data), parts = msgspec.json.schema_components([Envelope, event], ref_template="#/$defs/{name}")
    return _envelope(envelope, event, data, version) | {"$defs": parts}


def _envelope(envelope: Schema, event: type[Event], data: Schema, version: str = "") -> Schema:
    properties = {"eventType": {"const": event.type}, "version": {"const": version or event.version}, "data": data}
    return {"allOf": [envelope, {"type": "object", "properties": properties}]}
