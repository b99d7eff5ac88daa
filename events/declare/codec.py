"""Encodes events as JSON and decodes them. The log and the wire use the same text."""

from functools import cache
from typing import Any

import msgspec

from events.declare.event import Event
from events.declare.registry import event_class, major
from events.declare.upcasts import upcasts_from
from web.typed import decoder

encode_json = msgspec.json.Encoder().encode


def encode(event: Event) -> str:
    """The event's `data`: camelCase JSON, money as decimal strings, times in UTC."""
    return encode_json(event).decode()


@cache
def _decoder(cls: type[Event]) -> msgspec.json.Decoder[Any]:
    return decoder(cls)


def decode(type: str, version: str, data: str | bytes) -> Event:
    """The typed event. Data of an older major version are upcast to the newest.

    Raises UnknownEvent if no code declares the type, and msgspec.ValidationError if the data do not match its schema.
    """
    if steps := upcasts_from(type, version):
        document = msgspec.json.decode(data)
        for step in steps:
            document = step(document)
        version, data = f"{major(version) + len(steps)}.0", encode_json(document)
    event: Event = _decoder(event_class(type, version)).decode(data)
    return event
