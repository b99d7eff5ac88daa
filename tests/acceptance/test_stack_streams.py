"""`make run STREAMS=kafka,rabbitmq`: the stack publishes to brokers of its own, and plain clients read the log."""

import json
import os
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

import amqp
import psutil
import pytest

from publishing.rabbitmq.exchange import connect
from tests import kafka, rabbit
from tests.acceptance.test_stack import PROGRAM, READY, START, Shop
from tests.inbox import plain, send_to_kafka, send_to_rabbitmq
from tests.stackrun import StackRun, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not rabbit.installed() and os.environ.get("CI") != "true", reason="RabbitMQ is not installed"),
    pytest.mark.skipif(
        kafka.program() is None and os.environ.get("CI") != "true", reason="there is no tansu for this platform"
    ),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackRun]:
    with StackRun(tmp_path_factory.mktemp("stack"), *PROGRAM, DEMO="0", STREAMS="kafka,rabbitmq") as started:
        started.says(READY, START)
        yield started


def test_plain_clients_receive_a_new_order(stack: StackRun) -> None:
    address, url = (stack.variable(f"STREAMS_{name}") for name in ("KAFKA_BOOTSTRAP_SERVERS", "RABBITMQ_URL"))
    assert f"\n  Kafka      {address}" in stack.output
    at = urlsplit(url)
    assert f"\n  RabbitMQ   {at.hostname}:{at.port}, user app" in stack.output
    assert str(at.password) not in stack.output

    with amqp.Connection(f"{at.hostname}:{at.port}", userid=str(at.username), password=str(at.password)) as connection:
        channel, got = connection.channel(), list[amqp.Message]()
        channel.queue_declare("reader", durable=True, auto_delete=False)
        channel.queue_bind("reader", "orders", "order.created")
        shop = Shop(stack)
        shop.log_in()
        order = shop.places()
        channel.basic_consume("reader", no_ack=True, callback=got.append)
        connection.drain_events(timeout=15)
    assert json.loads(got[0].body)["stream"] == f"order:{order}"

    first = kafka.consumed(address, "orders.order", 1)[0]
    assert (first.key(), json.loads(first.value() or b"")["eventType"]) == (f"order:{order}".encode(), "order.created")


def test_a_carrier_s_tracking_messages_deliver_an_order(stack: StackRun) -> None:
    """The same message comes over both brokers, and twice over each."""
    shop, staff = Shop(stack), Shop(stack)
    shop.log_in()
    staff.log_in("admin")
    order = shop.places()
    shop.confirms(order)
    parcel = {"items": [{"sku": "FILTER-100", "quantity": 1}], "carrier": "DHL", "trackingNumber": "JD0140"}
    staff.http.post(f"/api/v1/orders/{order}/shipments/", json=parcel).raise_for_status()
    said = plain("track-1", "JD0140")
    send_to_kafka(stack.variable("INBOX_KAFKA_BOOTSTRAP_SERVERS"), "carrier.tracking", [("JD0140", said)] * 2)
    with connect(stack.variable("INBOX_RABBITMQ_URL")) as connection:
        send_to_rabbitmq(connection.channel(), "carrier.tracking", [said] * 2)
    until(lambda: shop.status(order) == "delivered", 60.0, lambda: shop.status(order))
    events = staff.http.get("/api/v1/events/", params={"type": "parcel.delivered"}).raise_for_status().json()
    assert [one["data"]["trackingNumber"] for one in events["results"]] == ["JD0140"]


def test_the_brokers_listen_on_loopback_alone(stack: StackRun) -> None:
    servers = [one for one in map(psutil.Process, stack.descendants()) if one.name() in {"tansu", "beam.smp", "epmd"}]
    assert len(servers) == 3
    ports = [found for one in servers for found in one.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
    assert ports
    assert [found.laddr for found in ports if not ip_address(found.laddr.ip).is_loopback] == []
