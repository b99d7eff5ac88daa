"""The same shop over RabbitMQ: a private node with quorum queues."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from django.conf import settings
from kombu import Connection, Queue, pools

from events.declare import queues
from events.delivery import broker
from events.models import DeadMessage
from events.monitor.sender import Sender
from events.worker import amqp_transport
from events.worker.dead_queue import DEAD
from orderproject.stack.processes import PROJECT, Process
from tests import rabbit
from tests.acceptance.conftest import BACKEND
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.doors import Door
from tests.chaos.strays import SWEEP, headers
from tests.integration.ears import connected_to, hearing, piece

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
        wait_for_the_disk(rabbitmq)
        shop.wait_until(DeadMessage.objects.exists, 30)
        yield shop


def wait_for_the_disk(rabbitmq: str) -> None:
    """Waits until each queue, also that of dead messages, has confirmed a message.

    RabbitMQ 3.10 that dies before a new queue's first entry is on its disk brings the queue back without a leader.
    Then workers cannot consume at all.
    """
    with Connection(rabbitmq, transport_options={"confirm_publish": True}) as connection:
        with connection.channel() as channel:
            DEAD.bind(channel).declare()
        for queue in (*queues.declared_queues(), DEAD.name):
            send(connection, SWEEP, queue=str(queue))


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


def requeue(channel: Any) -> bool:
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
from events.delivery.broker import send
from events.declare.routing import assign
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
    worker = shop.processes["worker-calls"]  # the only one that serves payments
    worker.stop()
    try:
        send(connection, SWEEP, queue="payments", task="who.kills.workers")
        with connection.channel() as channel:
            for _ in range(settings.RABBITMQ_QUEUE["x-delivery-limit"] + 1):
                shop.wait_until(lambda: requeue(channel), 10)
    finally:
        worker.start()
        worker.wait_ready()
    row = kept(shop)
    assert (row.reason, row.queue, row.task) == ("too_often", "payments", "who.kills.workers")


def speaking_to(url: str) -> Celery:
    app = Celery("asking", broker=url, set_as_current=False)
    app.conf.broker_transport_options = {"confirm_publish": True}
    app.conf.task_publish_retry = False
    return app


UNDECLARED: list[Any] = ["not-there", "nor-this"]


def test_queues_that_no_worker_has_declared_yet_count_as_empty(rabbitmq: str):
    """Each question makes RabbitMQ close the channel; the next one must not notice, and no channel may be left over."""
    asking = speaking_to(rabbitmq)
    for _ in range(5):
        assert broker.depths(asking, UNDECLARED) == dict.fromkeys(UNDECLARED, 0)
    with asking.pool.acquire() as connection:
        behind: Any = connection.connection
        assert len(behind.channels) == 2  # the one in use, and number 0, the connection itself


PATIENCE = 2.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amqp_transport, "ANSWER_WITHIN", PATIENCE)


def took(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def is_away(asking: Celery) -> None:
    with pytest.raises(broker.AWAY):
        broker.depths(asking, UNDECLARED)


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("impatient")
def test_a_node_that_freezes_is_waited_for_once_and_then_asked_anew(node: rabbit.Node):
    asking = speaking_to(node.url)
    asking.conf.broker_connection_timeout = PATIENCE
    broker.depths(asking, UNDECLARED)
    broker.send(asking, "celery", ())
    with node.frozen():
        assert PATIENCE <= took(lambda: is_away(asking)) < 5 * PATIENCE
        assert took(lambda: is_away(asking)) < 5 * PATIENCE, "not even a connection"
        assert not broker.send(asking, "celery", ())
    assert broker.depths(asking, UNDECLARED) == dict.fromkeys(UNDECLARED, 0)
    assert broker.send(asking, "celery", ())


DECLARE = b"\x00\x32\x00\x0a"
"""The number of AMQP's method queue.declare."""


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("impatient")
def test_an_answer_that_gets_lost_costs_one_connection(node: rabbit.Node):
    with Door(node.port, keeps_answers_to=DECLARE) as door:
        asking = speaking_to(node.url.replace(str(node.port), str(door.port)))
        assert PATIENCE <= took(lambda: is_away(asking)) < 5 * PATIENCE
        door.forget()
        assert broker.depths(asking, UNDECLARED) == dict.fromkeys(UNDECLARED, 0)
        door.shut()
        door.open()
        assert not broker.send(asking, "celery", ()), "what was cut is found out by whoever uses it"
        assert broker.send(asking, "celery", ())


@pytest.mark.timeout(60)
def test_flower_is_told_of_work_also_after_the_connection_was_cut(node: rabbit.Node):
    with Door(node.port) as door, hearing(connected_to(node.url)) as heard:
        flower = Sender(connected_to(node.url.replace(str(node.port), str(door.port))), "worker@here")
        flower.add(piece("told.before", "MUG-RED"))
        assert [[event["uuid"] for event in group] for group in heard(10, 2)] == [["told.before"] * 2]
        door.shut()
        door.open()
        flower.add(piece("told.after", "MUG-RED"))
        assert [group[0]["uuid"] for group in heard(20, 4)] == ["told.before", "told.after"]


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("impatient")
def test_a_node_without_memory_takes_no_message_and_says_all_the_same_what_waits(tmp_path: Path):
    """It reads nothing more from whoever has published, not even that the connection be closed."""
    with rabbit.Node(tmp_path, "vm_memory_high_watermark.absolute = 1") as node:
        asking = speaking_to(node.url)
        for _ in range(2):
            assert PATIENCE <= took(lambda: broker.send(asking, "celery", ())) < 5 * PATIENCE
            assert broker.depths(asking, UNDECLARED) == dict.fromkeys(UNDECLARED, 0)


@pytest.mark.timeout(120)
def test_a_node_that_answers_nobody_for_a_while_costs_time_only(shop: Shop, node: rabbit.Node):
    """For longer than anybody waits for an answer: no process ends, or falls silent for long."""
    shop.stock("ICE", 10)
    orders = [shop.places("ICE") for _ in range(5)]
    pids = {name: process.pid for name, process in shop.processes.items()}
    with node.frozen():
        orders += [shop.places("ICE") for _ in range(5)]
        time.sleep(amqp_transport.ANSWER_WITHIN + 2)
        assert silent(shop) == []
    shop.wait_until(lambda: {order.row.status for order in orders} == {"confirmed"}, 60)
    assert {name: process.pid for name, process in shop.processes.items() if process.running} == pids


def silent(shop: Shop) -> list[str]:
    """Who gave no sign of life for half of the time after which it would be ended."""
    signs = {name: process.spec for name, process in shop.processes.items() if process.spec.heartbeat}
    return [
        name for name, spec in signs.items() if spec.heartbeat and time.time() - spec.heartbeat.stat().st_mtime > 15
    ]


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
    heard = diary(beat).stat().st_size
    shop.wait_until(lambda: diary(beat).read_bytes()[heard:].count(b"Sending due task") > 2, 20)
    assert b"Couldn't apply" not in diary(beat).read_bytes()[heard:]


def diary(process: Process) -> Path:
    """All that it wrote. Of its output only the end is kept, however much it complained while the node was away."""
    assert process.log
    return process.log
