"""Reads queues with a prefetch of one batch, and acknowledges it as a whole after the rows are committed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from amqp import Connection, Message
from amqp.exceptions import AMQPError, NotFound
from django.conf import settings

from events.declare import foreign
from publishing.inbox.arrived import Arrived, Lost, Reader, text
from publishing.rabbitmq.exchange import connect

RABBITMQ = "rabbitmq"
AWAY = (AMQPError, OSError)
MORE_WITHIN = 0.01
"""Seconds that a batch waits for one more message."""
TICK_EVERY = 5.0
"""Seconds between two heartbeats, of which RabbitMQ wants one within half a minute."""


class RabbitReader(Reader):
    broker = RABBITMQ

    def __init__(self) -> None:
        self.sources = dict(settings.INBOX_RABBITMQ_QUEUES)
        self._connection: Connection | None = None
        self._channel: Any = None
        self._got: list[Arrived] = []
        self._last = 0
        """The delivery tag of the last message."""
        self._ticked = 0.0

    def fetch(self, seconds: float) -> Sequence[Arrived]:
        try:
            self._ready()
            self._drain(seconds)
            while self._got and len(self._got) < settings.INBOX_BATCH and self._drain(MORE_WITHIN):
                pass
            self._tick()
        except NotFound as error:
            raise Lost(f"{error.reply_text}. Create the queue, such as by `manage.py inbox create`.") from error
        except AWAY as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        got, self._got = self._got, []
        return got

    def _drain(self, seconds: float) -> bool:
        """Whether something came."""
        with suppress(TimeoutError):
            self._channel.connection.drain_events(timeout=seconds)
            return True
        return False

    def _tick(self) -> None:
        if self._connection is not None and time.monotonic() - self._ticked > TICK_EVERY:
            self._ticked = time.monotonic()
            self._connection.heartbeat_tick()

    def _arrived(self, source: str, message: Message) -> None:
        self._last = message.delivery_tag or 0
        properties: dict[str, Any] = message.properties
        body: Any = message.body
        told = foreign.Message(
            body=body.encode() if isinstance(body, str) else bytes(body),
            headers={name: text(value) for name, value in (properties.get("application_headers") or {}).items()},
            content_type=str(properties.get("content_type") or ""),
            key=str(message.delivery_info.get("routing_key", "")),
        )
        self._got.append(Arrived(source, RABBITMQ, self.sources[source], told))

    def confirm(self) -> None:
        try:
            if self._last and self._channel is not None:
                self._channel.basic_ack(self._last, multiple=True)
        except AWAY as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        self._last = 0

    def _ready(self) -> None:
        if self._channel is None:
            self._connection = connect(settings.INBOX_RABBITMQ_URL)
            channel: Any = self._connection.channel()
            channel.auto_decode = False
            channel.basic_qos(0, settings.INBOX_BATCH, False)
            for source, queue in self.sources.items():
                channel.basic_consume(queue, callback=partial(self._arrived, source))
            self._channel = channel

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        self._got, self._last = [], 0
        if connection is not None:
            connection.collect()  # no handshake: it could wait for the broker


def create(*, dry_run: bool) -> list[str]:
    """Creates missing queues, durable ones; returns a sentence for each. Raises one of AWAY."""
    said = []
    with connect(settings.INBOX_RABBITMQ_URL) as connection:
        for queue in sorted(set(settings.INBOX_RABBITMQ_QUEUES.values())):
            try:
                connection.channel().queue_declare(queue, passive=True)
            except NotFound:
                if not dry_run:
                    connection.channel().queue_declare(queue, durable=True, auto_delete=False)
                said.append(f"The queue {queue} {'is missing' if dry_run else 'was created'}.")
    return said
