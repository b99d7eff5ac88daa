"""The same shop over RabbitMQ: a private node with quorum queues."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from kombu import Connection, Queue

from events.broker import depths
from events.models import DeadMessage
from tests import rabbit
from tests.acceptance.conftest import BACKEND
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.strays import SWEEP, headers

pytestmark = [
    pytest.mark.skipif(
        not rabbit.installed() and os.environ.get("CI") != "true", reason="RabbitMQ is not installed (apt)"
    ),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rabbit.node(tmp_path_factory.mktemp("rabbit")) as url:
        yield url


@pytest.fixture(scope="module")
def processes(
    rabbitmq: str, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with django_db_blocker.unblock(), open_shop(folder, *BACKEND, broker_url=rabbitmq) as shop:
        yield shop


@pytest.fixture
def connection(rabbitmq: str) -> Iterator[Connection]:
    DeadMessage.objects.all().delete()
    with Connection(rabbitmq, connect_timeout=5) as connection:
        yield connection


def send(connection: Connection, body: bytes, queue: str = "streams", **changes: Any) -> None:
    with connection.Producer() as producer:
        producer.publish(
            body,
            exchange="",
            routing_key=queue,
            headers=headers(**changes),
            content_type="application/json",
            content_encoding="utf-8",
        )


def give_back(channel: Any) -> bool:
    """As a worker that dies; False if nothing has arrived yet."""
    message = channel.basic_get("streams")
    if message is not None:
        channel.basic_reject(message.delivery_tag, requeue=True)
    return message is not None


def kept(shop: Shop) -> DeadMessage:
    shop.wait_until(DeadMessage.objects.exists, 30)
    return DeadMessage.objects.get()


def test_an_order_goes_through(shop: Shop):
    shop.stock("RABBIT", 5)
    orders = [shop.places("RABBIT") for _ in range(3)]
    declined = shop.places("RABBIT", pays="tok_declined")
    assert [order.settles(60) for order in orders] == ["confirmed"] * 3
    assert declined.settles(60) == "cancelled"
    assert shop.available("RABBIT") == 2


def test_the_queues_are_quorum_queues(shop: Shop, connection: Connection):
    """RabbitMQ refuses what differs from the queue that is there, and says in what."""
    with connection.channel() as channel:
        orders = Queue("orders", queue_arguments={**settings.RABBITMQ_QUEUE, "x-queue-type": "classic"})
        with pytest.raises(connection.channel_errors, match=r"x-queue-type.*quorum"):
            orders.bind(channel).queue_declare()


@pytest.mark.parametrize(
    ("body", "changes", "reason"),
    [
        (SWEEP, {"task": "orders.of_tomorrow"}, "unknown_task"),
        (b"not JSON", {}, "undecodable"),
        (b"[1]", {}, "malformed"),
        (SWEEP, {"id": None}, "malformed"),
        (SWEEP, {"task": None}, "malformed"),
    ],
)
def test_what_is_no_task_is_kept(shop: Shop, connection: Connection, body: bytes, changes: dict[str, Any], reason: str):
    send(connection, body, **changes)
    row = kept(shop)
    assert (row.reason, row.queue, bytes(row.body)) == (reason, "streams", body)


def test_what_the_delivery_limit_stops_is_kept(shop: Shop, connection: Connection):
    worker = shop.processes["worker-core"]
    worker.stop()
    try:
        send(connection, SWEEP, task="who.kills.workers")
        with connection.channel() as channel:
            for _ in range(settings.RABBITMQ_QUEUE["x-delivery-limit"] + 1):
                shop.wait_until(lambda: give_back(channel), 10)
    finally:
        worker.start()
        worker.wait_ready()
    row = kept(shop)
    assert (row.reason, row.queue, row.task) == ("too_often", "streams", "who.kills.workers")


def test_queues_that_no_worker_has_declared_yet_count_as_empty(rabbitmq: str):
    """The first question makes RabbitMQ close the channel; the second one must not notice."""
    asking = Celery("asking", broker=rabbitmq, set_as_current=False)
    undeclared: list[Any] = ["not-there", "nor-this"]
    assert depths(asking, undeclared) == dict.fromkeys(undeclared, 0)
