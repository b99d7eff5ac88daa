"""Events to JSON and back. What is stored and what is sent is the same text."""

from functools import cache
from typing import Any

import msgspec

from events.event import Event
from events.registry import event_class, major
from events.typed import decoder
from events.upcasts import upcasts_from

encode_json = msgspec.json.Encoder().encode


def encode(event: Event) -> str:
    """The event's `data`: camelCase JSON, money as decimal strings, times in UTC."""
    return encode_json(event).decode()


@cache
def _decoder(cls: type[Event]) -> msgspec.json.Decoder[Any]:
    return decoder(cls)


def decode(type: str, version: str, data: str | bytes) -> Event:
    """The typed event of a stored one; of an older major version, upcast to the newest.

    Raises UnknownEvent for a type that no code declares and msgspec.ValidationError for data that do not fit it.
    """
    if steps := upcasts_from(type, version):
        document = msgspec.json.decode(data)
        for step in steps:
            document = step(document)
        version, data = f"{major(version) + len(steps)}.0", encode_json(document)
    event: Event = _decoder(event_class(type, version)).decode(data)
    return event
