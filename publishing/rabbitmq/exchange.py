"""The exchange of the events, and the place for what no queue is bound for.

A consumer makes a durable queue of its own and binds it to the exchange. What matches no binding goes through the
alternate exchange to a queue, where a person sees how much it is. That queue is bounded: the oldest go first.
"""

from __future__ import annotations

from typing import Any

from amqp import Channel, Connection
from amqp.exceptions import NotFound, PreconditionFailed
from django.conf import settings
from kombu.utils.url import parse_url

CONNECT_WITHIN = 5.0
HEARTBEAT = 30
"""Seconds; a publisher counts unrouted messages more often, which keeps its connection alive."""
MOST_UNROUTED = 100_000


def exchange() -> str:
    return str(settings.STREAMS_RABBITMQ_EXCHANGE)


def unrouted() -> str:
    """The name of the alternate exchange, and of its queue."""
    return f"{exchange()}.unrouted"


def connect(url: str = "", seconds: float = CONNECT_WITHIN) -> Connection:
    """A new connection, without a URL to STREAMS_RABBITMQ_URL. `seconds` also limit each read and write.

    Raises one of `amqp`'s errors, or OSError.
    """
    at = parse_url(url or settings.STREAMS_RABBITMQ_URL)
    connection = Connection(
        f"{at['hostname']}:{at['port'] or (5671 if at['transport'] == 'amqps' else 5672)}",
        userid=at["userid"] or "guest",
        password=at["password"] or "guest",
        virtual_host=at["virtual_host"] or "/",
        ssl=at["transport"] == "amqps",
        connect_timeout=seconds,
        read_timeout=seconds,
        write_timeout=seconds,
        heartbeat=HEARTBEAT,
    )
    connection.connect()
    return connection


def declare(channel: Channel) -> None:
    """Declares both exchanges and the queue. Idempotent. Raises PreconditionFailed if they exist in another form."""
    other = unrouted()
    channel.exchange_declare(other, "fanout", durable=True, auto_delete=False)
    channel.queue_declare(other, durable=True, auto_delete=False, arguments={"x-max-length": MOST_UNROUTED})
    channel.queue_bind(other, other)
    arguments = {"alternate-exchange": other}
    channel.exchange_declare(exchange(), "topic", durable=True, auto_delete=False, arguments=arguments)


def count_unrouted(channel: Channel) -> int:
    """The number of messages that wait in the queue of the alternate exchange."""
    declared: Any = channel.queue_declare(unrouted(), passive=True)
    return int(declared.message_count)


def create(*, dry_run: bool) -> list[str]:
    """Creates what is missing; returns a sentence for each thing that it created or that differs.

    Raises one of `amqp`'s errors, or OSError, if the broker cannot be reached.
    """
    connection = connect()
    try:
        found = _exists(connection, exchange()) and _exists(connection, unrouted())
        if dry_run:
            return [] if found else [f"The exchange {exchange()} is missing."]
        try:
            declare(connection.channel())
        except PreconditionFailed as error:
            return [f"The broker has it in another form: {error.reply_text}. Delete it there, or choose another name."]
        return [] if found else [f"Created the exchange {exchange()} with its alternate exchange {unrouted()}."]
    finally:
        connection.collect()


def _exists(connection: Any, name: str) -> bool:
    try:
        connection.channel().exchange_declare(name, "topic", passive=True)
    except NotFound:
        return False
    return True
