"""Encodes a publish as AMQP 0-9-1 frames, so that one write sends a whole round.

py-amqp looks for incoming frames and encodes property by property at each publish, which takes most of the time of a
batch. The frames here are the same, in one piece of bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache

METHOD, HEADER, BODY, END = 1, 2, 3, b"\xce"
BASIC, PUBLISH = 60, 40
MANDATORY = 1
PERSISTENT = b"\x02"
LONGEST_SHORT_TEXT = 255
# The bits of the properties that are sent, in the order in which they are sent.
CONTENT_TYPE, HEADERS, DELIVERY_MODE, CORRELATION_ID, MESSAGE_ID, TIMESTAMP, TYPE = (
    1 << bit for bit in (15, 13, 12, 10, 7, 6, 5)
)
ALWAYS = CONTENT_TYPE | HEADERS | DELIVERY_MODE | MESSAGE_ID | TIMESTAMP | TYPE


def publish(
    channel: int,
    frame_max: int,
    *,
    exchange: str,
    type: str,
    body: bytes,
    content_type: str,
    headers: bytes,
    message_id: str,
    timestamp: int,
    correlation_id: str,
) -> bytes:
    """The frames of a persistent, mandatory publish with the type as routing key. `headers` come from `entries`.

    Raises ValueError if a short text is too long; a correlation id that is too long is left out: the body has it.
    """
    correlation = correlation_id.encode()
    correlated = 0 < len(correlation) <= LONGEST_SHORT_TEXT
    properties = (
        struct.pack(">HHQH", BASIC, 0, len(body), ALWAYS | (CORRELATION_ID if correlated else 0))
        + short(content_type)
        + struct.pack(">I", len(headers))
        + headers
        + PERSISTENT
        + (short(correlation_id) if correlated else b"")
        + short(message_id)
        + struct.pack(">Q", timestamp)
        + short(type)
    )
    most = frame_max - 8
    chunks = (body,) if len(body) <= most else [body[start : start + most] for start in range(0, len(body), most)]
    return (
        _method(channel, exchange, type)
        + _frame(HEADER, channel, properties)
        + b"".join(_frame(BODY, channel, chunk) for chunk in chunks)
    )


@lru_cache(maxsize=1000)
def _method(channel: int, exchange: str, routing_key: str) -> bytes:
    method = struct.pack(">HHH", BASIC, PUBLISH, 0) + short(exchange) + short(routing_key) + bytes([MANDATORY])
    return _frame(METHOD, channel, method)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + END


def short(text: str) -> bytes:
    """Raises ValueError if the text is too long."""
    encoded = text.encode()
    if len(encoded) > LONGEST_SHORT_TEXT:
        raise ValueError(f"{text[:40]!r}… has {len(encoded)} bytes, and AMQP takes {LONGEST_SHORT_TEXT}: shorten it")
    return bytes([len(encoded)]) + encoded


def entries(headers: Mapping[str, str]) -> bytes:
    """The entries of a field table of texts."""
    return b"".join(
        short(name) + b"S" + struct.pack(">I", len(value := text.encode())) + value for name, text in headers.items()
    )
