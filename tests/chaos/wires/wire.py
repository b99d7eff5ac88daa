"""A broker behind the proxy, that can be hurt, with the independent consumer that reads everything it has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import amqp
from confluent_kafka import Consumer, TopicPartition

from orderproject.stack.ports import HOST
from tests import kafka, rabbit
from tests.chaos.wires.proxy import Proxy
from tests.object_store import Store

QUEUE = "chaos"
TOPIC = "orders.order"
PARTITIONS = 6
QUIET = 6.0
"""Seconds without a message after which everything counts as read."""

Envelope = dict[str, Any]


class Server(Protocol):
    """A broker as a process. After `kill` and `restart` it has what its disk holds."""

    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def frozen(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Wire:
    """`filled`: the broker's disk is full for as long as the block. `environment` leads a publisher to the proxy.

    `prepare` makes the place of which `received` then tells everything, as a consumer gets it.
    """

    name: str
    proxy: Proxy
    server: Server
    environment: dict[str, str]
    filled: Callable[[], AbstractContextManager[None]]
    prepare: Callable[[], None]
    received: Callable[[], Iterator[Envelope]]


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Wire]:
    with Proxy() as proxy, {"kafka": _kafka, "rabbitmq": _rabbitmq}[name](folder, proxy) as wire:
        yield wire


@contextmanager
def _rabbitmq(folder: Path, proxy: Proxy) -> Iterator[Wire]:
    with rabbit.Node(folder / "rabbitmq") as node:
        proxy.target = node.port
        environment = {"STREAMS_RABBITMQ_URL": f"amqp://guest:guest@{HOST}:{proxy.port}//"}

        def prepare() -> None:
            with _channel(node) as channel:
                channel.queue_declare(QUEUE, durable=True, auto_delete=False)
                channel.queue_bind(QUEUE, "orders", "#")

        def received() -> Iterator[Envelope]:
            with _channel(node) as channel:
                yield from _consumed(channel)

        yield Wire("rabbitmq", proxy, node, environment, node.filled, prepare, received)


@contextmanager
def _channel(node: rabbit.Node) -> Iterator[amqp.Channel]:
    """Without the proxy."""
    with amqp.Connection(f"{HOST}:{node.port}", userid="guest", password="guest") as connection:
        yield connection.channel()


def _consumed(channel: amqp.Channel) -> Iterator[Envelope]:
    found: list[Envelope] = []
    channel.basic_consume(QUEUE, no_ack=True, callback=lambda message: found.append(json.loads(message.body)))
    deadline = time.monotonic() + QUIET
    while time.monotonic() < deadline:
        try:
            channel.connection.drain_events(timeout=QUIET)
        except TimeoutError:
            break
        if found:
            yield from found
            found.clear()
            deadline = time.monotonic() + QUIET


@contextmanager
def _kafka(folder: Path, proxy: Proxy) -> Iterator[Wire]:
    """Its disk is an object store, which outlives it."""
    with Store() as store, kafka.Broker(folder / "kafka", proxy.port, store.environment) as server:
        proxy.target = server.port
        environment = {"STREAMS_KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{proxy.port}"}
        yield Wire("kafka", proxy, server, environment, store.filled, lambda: None, lambda: _polled(proxy))


def _polled(proxy: Proxy) -> Iterator[Envelope]:
    address = f"{HOST}:{proxy.port}"
    consumer = Consumer({"bootstrap.servers": address, "group.id": "chaos", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    deadline = time.monotonic() + QUIET
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None:
                assert message.error() is None, message.error()
                yield json.loads(message.value() or b"")
                deadline = time.monotonic() + QUIET
    finally:
        consumer.close()
