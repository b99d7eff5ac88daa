"""A message as it arrived, and what a reader of each broker does."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from events.declare.foreign import Message
from events.delivery.failures import storable


@dataclass(frozen=True)
class Arrived:
    """A message with the place that it came from. `source`: as INBOX_KAFKA_TOPICS or INBOX_RABBITMQ_QUEUES name it."""

    source: str
    broker: str
    place: str
    message: Message
    partition: int | None = None
    offset: int | None = None

    @cached_property
    def headers_text(self) -> str:
        """The message without its body, as JSON."""
        rest = {"headers": dict(self.message.headers), "content_type": self.message.content_type}
        return storable(json.dumps(rest | {"key": self.message.key}))

    @property
    def digest(self) -> bytes:
        """The same if the message comes again."""
        parts = (self.source, self.broker, self.place, str(self.partition), str(self.offset), self.headers_text)
        head = "\0".join(parts).encode(errors="replace")
        return hashlib.sha256(head + b"\0" + self.message.body).digest()


def message_of(headers_text: str, body: bytes) -> Message:
    """The message again, from `Arrived.headers_text` and its body."""
    rest: Mapping[str, Any] = msgspec.json.decode(headers_text)
    return Message(body=body, **rest)


def text(value: object) -> str:
    """A header's value as text. Bytes that are not UTF-8 are shown by their numbers."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


class Lost(Exception):
    """The broker is unreachable, or the topic or queue is missing. What was not confirmed comes again."""


class Reader(ABC):
    """Reads the messages of one broker in order. It belongs to one thread, and connects when it first reads."""

    broker: str
    sources: Mapping[str, str]
    """The topic or queue of each source."""

    @abstractmethod
    def fetch(self, seconds: float) -> Sequence[Arrived]:
        """The next messages: as many as are here, at most INBOX_BATCH; waits up to `seconds` for the first one.

        Raises Lost; `close` it then.
        """

    @abstractmethod
    def confirm(self) -> None:
        """Tells the broker that all that `fetch` has returned is stored. Raises Lost."""

    @abstractmethod
    def close(self) -> None:
        """Drops the connection. What is not confirmed comes again."""

    def trouble(self) -> str:
        """What the connection reports while no message comes; empty if nothing."""
        return ""
