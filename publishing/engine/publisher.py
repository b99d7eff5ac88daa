"""What a publisher to a broker does. Each broker has one; the rest of the service knows only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from publishing.engine.records import Record


@dataclass
class Outcome:
    """What became of records. One that is in neither collection may or may not have arrived: it is published again."""

    confirmed: set[int] = field(default_factory=set)
    """The positions of those that the broker confirmed, each by itself."""
    refused: dict[int, Exception] = field(default_factory=dict)
    """By position, those that the broker did not take. One of them may be the cause for the others."""
    lost: Exception | None = None
    """Why the rest is unknown: the broker is unreachable, slow, or not set up."""


class Publisher(ABC):
    """Publishes records in their order. It belongs to one thread, and connects when it first publishes.

    No event of a stream is sent before the one before it is confirmed, or so that the broker takes them only in order.
    After a failed one, it sends no later one of the same stream.
    """

    name: str

    @abstractmethod
    def publish(self, records: Sequence[Record], seconds: float) -> Outcome:
        """Publishes and waits for the confirmations, for at most about `seconds`. Never raises for the broker's sake.

        What was not confirmed by then is never sent later: the connection is dropped.
        """

    @abstractmethod
    def close(self) -> None:
        """Drops the connection. The next `publish` makes another one."""

    def unrouted(self) -> int | None:
        """How many messages wait where no consumer has bound a queue; None if the broker has no such place."""
        return None
