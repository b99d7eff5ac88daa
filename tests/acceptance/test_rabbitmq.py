"""The same shop over RabbitMQ: a private node with quorum queues."""

import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import psutil
import pytest
from celery import Celery
from django.conf import settings
from kombu import Connection, Queue, pools

from events.broker import depths
from events.models import DeadMessage
from orderproject.stack.processes import PROJECT
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
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbit.Node]:
    with rabbit.Node(tmp_path_factory.mktemp("rabbit")) as node:
        yield node


@pytest.fixture(scope="session")
def rabbitmq(node: rabbit.Node) -> str:
    return node.url


@pytest.fixture(scope="module")
def processes(
    rabbitmq: str, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    impatient = {"RELAY_LEASE": "5"}
    with django_db_blocker.unblock(), open_shop(folder, *BACKEND, broker_url=rabbitmq, variables=impatient) as shop:
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
    message = channel.basic_get("payments")
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


ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 3,
    "x-dead-letter-exchange": "dead",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_the_queues_are_quorum_queues_that_lose_and_loop_nothing(shop: Shop, connection: Connection, argument: str):
    """RabbitMQ refuses what differs from the queue that is there, and says in what."""
    with connection.channel() as channel:
        Queue("orders", queue_arguments=ARGUMENTS).bind(channel).queue_declare()
    others = {name: value for name, value in ARGUMENTS.items() if name != argument}
    with connection.channel() as channel, pytest.raises(connection.channel_errors, match=f"{argument}.*orders"):
        Queue("orders", queue_arguments=others).bind(channel).queue_declare()


SEND_TWO = """
import django; django.setup()
from kombu import Queue
from events.broker import send
from events.routing import assign
from orderproject.celery import app
app.amqp.queues.add(Queue("full", max_length=1, queue_arguments={"x-overflow": "reject-publish"}))
assign("sagas.sweep", "full")
print(send(app, "sagas.sweep", ()), send(app, "sagas.sweep", ()))
"""


def test_what_a_full_queue_refuses_counts_as_not_sent(rabbitmq: str):
    """Without confirmations the publisher would never hear of it."""
    command = [sys.executable, "-c", SEND_TWO]
    environment = {**os.environ, "BROKER_URL": rabbitmq}
    assert subprocess.check_output(command, cwd=PROJECT, env=environment, text=True).split() == ["True", "False"]


def test_the_node_and_its_mapper_listen_on_loopback_alone(rabbitmq: str):
    """As the package starts them, the mapper is open to the network."""
    ours = [one for one in psutil.Process().children(recursive=True) if one.name() in {"beam.smp", "epmd"}]
    assert {one.name() for one in ours} == {"beam.smp", "epmd"}
    connections = [found for one in ours for found in one.net_connections("tcp")]
    listening = {found.laddr.ip for found in connections if found.status == psutil.CONN_LISTEN}
    assert [address for address in listening if not ip_address(address).is_loopback] == []


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
    worker = shop.processes["worker-network"]  # one of its queues gets nothing from beat
    worker.stop()
    try:
        send(connection, SWEEP, queue="payments", task="who.kills.workers")
        with connection.channel() as channel:
            for _ in range(settings.RABBITMQ_QUEUE["x-delivery-limit"] + 1):
                shop.wait_until(lambda: give_back(channel), 10)
    finally:
        worker.start()
        worker.wait_ready()
    row = kept(shop)
    assert (row.reason, row.queue, row.task) == ("too_often", "payments", "who.kills.workers")


def test_queues_that_no_worker_has_declared_yet_count_as_empty(rabbitmq: str):
    """The first question makes RabbitMQ close the channel; the second one must not notice."""
    asking = Celery("asking", broker=rabbitmq, set_as_current=False)
    undeclared: list[Any] = ["not-there", "nor-this"]
    assert depths(asking, undeclared) == dict.fromkeys(undeclared, 0)


def test_a_node_that_dies_and_comes_back_costs_time_only(shop: Shop, node: rabbit.Node):
    shop.stock("PHOENIX", 20)
    orders = [shop.places("PHOENIX") for _ in range(10)]
    node.kill()
    for pool in pools.connections.values():  # this process's own are from before
        pool.resize(pool.limit, reset=True, ignore_errors=True)
    orders += [shop.places("PHOENIX") for _ in range(5)]
    shop.wait_until(lambda: {order.row.status for order in orders} == {"confirmed"}, 90)
    assert shop.available("PHOENIX") == 5
    beat = shop.processes["beat"]
    heard = len(beat.output())
    shop.wait_until(lambda: beat.output()[heard:].count("Sending due task") > 2, 20)
    assert "Couldn't apply" not in beat.output()[heard:]
