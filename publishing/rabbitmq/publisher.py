"""Publishes records to RabbitMQ in rounds, each with at most one event per stream, confirmed as a whole.

Only when an event is confirmed is the next one of its stream sent. So whatever the broker refuses or loses, no event
overtakes an earlier one of its stream.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import structlog
from amqp import Connection
from amqp.exceptions import AMQPError, ChannelError, PreconditionFailed

from publishing.engine.publisher import Outcome, Publisher
from publishing.engine.records import JSON, Record, fixed_attributes, own_attributes
from publishing.rabbitmq import exchange, frames

log = structlog.get_logger(__name__)

AWAY = (AMQPError, OSError)
PREFIX = "cloudEvents_"
"""Of the headers, by the AMQP binding of CloudEvents; the other allowed one, with a colon, is none for JMS."""
AT_ONCE = 500
"""Records in one write: the broker works on them while the next are encoded."""


class Unconfirmed(Exception):
    """RabbitMQ confirmed too late. The connection was dropped, and what is open is published again."""


class Nacked(Exception):
    """RabbitMQ did not take the message: a queue that is bound for it is full, or its node is lost."""


class Returned(Exception):
    """No queue takes the message and the alternate exchange is missing: run `manage.py streams create`."""


class RabbitPublisher(Publisher):
    name = "rabbitmq"

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._channel: Any = None
        self._tag = 0
        self._open: dict[int, Record] = {}
        """By delivery tag, what was sent and is not confirmed."""
        self._outcome = Outcome()
        self._returned: dict[str, Exception] = {}

    def publish(self, records: Sequence[Record], seconds: float) -> Outcome:
        outcome = self._outcome = Outcome()
        deadline = time.monotonic() + seconds
        alone = len(records) == 1
        try:
            for round_ in rounds(records):
                failed = {record.stream for record in records if record.position in outcome.refused}
                self._round([record for record in round_ if record.stream not in failed], deadline)
        except PreconditionFailed as error:  # such as a message above the broker's limit: one of those that are open
            outcome.refused |= {record.position: error for record in self._open.values()}
            self.close()
        except (*AWAY, Unconfirmed) as error:
            outcome.lost = error
            self.close()
        if outcome.refused and not alone:
            self.close()  # after a nack the channel is not trusted
        return outcome

    def _round(self, records: Sequence[Record], deadline: float) -> None:
        channel = self._ready()
        for start in range(0, len(records), AT_ONCE):
            self._send(channel, records[start : start + AT_ONCE])
        while self._open:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unconfirmed(f"RabbitMQ left {len(self._open)} messages unconfirmed: they are published again")
            channel.connection.drain_events(timeout=left)

    def _send(self, channel: Any, records: Sequence[Record]) -> None:
        parts = []
        for record in records:
            try:
                parts.append(_frames(channel, record))
            except ValueError as error:
                self._outcome.refused[record.position] = error
                continue
            self._tag += 1
            self._open[self._tag] = record
        channel.connection.transport.write(b"".join(parts))

    def _ready(self) -> Any:
        """The channel in confirm mode; a new connection if there is none. Raises one of AWAY."""
        if self._channel is None:
            self._connection = exchange.connect()
            channel: Any = self._connection.channel()
            exchange.declare(channel)
            channel.confirm_select()
            channel.events["basic_ack"].add(self._acked)
            channel.events["basic_nack"].add(self._nacked)
            channel.events["basic_return"].add(self._on_return)
            self._tag, self._channel = 0, channel
        return self._channel

    def _acked(self, tag: int, multiple: bool) -> None:
        """A returned message is acked as well, but it is in no queue."""
        for record in self._settled(tag, multiple):
            returned = self._returned.pop(record.event_id, None)
            if returned is None:
                self._outcome.confirmed.add(record.position)
            else:
                self._outcome.refused[record.position] = returned

    def _nacked(self, tag: int, multiple: bool) -> None:
        for record in self._settled(tag, multiple):
            self._outcome.refused[record.position] = Nacked(
                "RabbitMQ refused the message: look for a full queue that is bound for its type"
            )

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        text = f"No queue takes {routing_key}, and the alternate exchange is missing: run `manage.py streams create`"
        self._returned[str(message.properties.get("message_id"))] = Returned(text)

    def _settled(self, tag: int, multiple: bool) -> list[Record]:
        tags = [one for one in self._open if one <= tag] if multiple else [tag]
        return [self._open.pop(one) for one in tags if one in self._open]

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        self._open.clear()
        self._returned.clear()
        if connection is not None:
            connection.collect()  # no handshake: it could wait for the broker

    def unrouted(self) -> int | None:
        """On a channel of its own, because an error closes it. None if RabbitMQ is unreachable."""
        if self._connection is None:
            return None
        try:
            channel = self._connection.channel()
            count = exchange.count_unrouted(channel)
            channel.close()
        except ChannelError:
            return None
        except AWAY as error:
            log.warning("unrouted messages not counted; RabbitMQ is unreachable", error=str(error))
            self.close()
            return None
        else:
            return count


def rounds(records: Sequence[Record]) -> list[list[Record]]:
    """Each round has at most one record per stream; those of one stream are in their order."""
    lines: dict[str, list[Record]] = {}
    for record in records:
        lines.setdefault(record.stream, []).append(record)
    return [[one for one in place if one is not None] for place in zip_longest(*lines.values())]


def _frames(channel: Any, record: Record) -> bytes:
    own = {f"{PREFIX}{name}": value for name, value in own_attributes(record).items()}
    if record.traceparent:
        own["traceparent"] = record.traceparent
    return frames.publish(
        channel.channel_id,
        channel.connection.frame_max,
        exchange=exchange.exchange(),
        type=record.type,
        body=record.body,
        content_type=JSON,
        headers=frames.entries(own) + _fixed_entries(record.type, record.version, record.source),
        message_id=record.event_id,
        timestamp=record.seconds,
        correlation_id=record.correlation_id,
    )


@lru_cache(maxsize=1000)
def _fixed_entries(type: str, version: str, source: str) -> bytes:
    return frames.entries({f"{PREFIX}{name}": value for name, value in fixed_attributes(type, version, source).items()})
