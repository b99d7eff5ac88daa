"""Receiving from real brokers: everything is sent twice, and the process is killed between commit and confirmation."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import amqp
import pytest

from events.declare.foreign import Message
from events.models import Delivery, StoredEvent
from publishing.inbox import receiver
from publishing.inbox.arrived import Lost
from publishing.inbox.receiver import Receiver
from publishing.models import Inbox, UnreadableMessage
from publishing.rabbitmq.exchange import connect
from tests import kafka, rabbit
from tests.inbox import (
    DIES_BEFORE_CONFIRMING,
    RUN,
    binary,
    fresh,
    order_of,
    parcel,
    parcels,
    plain,
    send_to_kafka,
    send_to_rabbitmq,
    structured,
)
from tests.integration.wires import NEEDED
from tests.publishing import eventually, process

pytestmark = [pytest.mark.django_db(transaction=True), *NEEDED, pytest.mark.slow]
STREAMS, EVENTS = 5, 60
POISON = Message(b"\xffpoison", {}, "application/json")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rabbit.node(tmp_path_factory.mktemp("rabbit")) as url:
        yield url


@pytest.fixture
def queue(node: str, settings: Any) -> Iterator[tuple[str, amqp.Channel]]:
    """A queue that the sender and the inbox know."""
    name = fresh("parcels")
    settings.INBOX_RABBITMQ_URL, settings.INBOX_RABBITMQ_QUEUES = node, {"carrier": name}
    assert receiver.create("rabbitmq", dry_run=False) == [f"The queue {name} was created."]
    with connect(node) as connection:
        yield name, connection.channel()


def wave() -> list[tuple[str, Message]]:
    """By key, the events of some parcels in every form, with poison and an unknown type between them."""
    forms = (binary, structured)
    sent: list[tuple[str, Message]] = []
    for number in range(EVENTS):
        key = f"JD{number % STREAMS}"
        sent.append((key, forms[number % 2](f"id-{number}", parcel(key))))
        if number % 20 == 7:
            sent += [(key, POISON), (key, binary(f"scan-{number}", {}, type_="parcel.scanned"))]
    return [*sent, ("JD0", plain("id-last", "JD0"))]


def all_once_and_in_order() -> bool:
    """Each event once, in its stream's order; raises AssertionError where it is too late for that."""
    found = parcels()
    assert set(found.values()) <= {1}, found
    if len(found) < EVENTS + 1:
        return False
    for stream in range(STREAMS):
        last = ["id-last"] if stream == 0 else []
        assert order_of(f"parcel:JD{stream}") == [f"id-{n}" for n in range(EVENTS) if n % STREAMS == stream] + last
    return True


def dies(environment: dict[str, str]) -> None:
    with process(environment, DIES_BEFORE_CONFIRMING) as dying:
        assert dying.child.wait(60) == -signal.SIGKILL
    assert StoredEvent.objects.exists(), "it had committed"


def confirmed_all(broker: str, messages: Sequence[object]) -> bool:
    one = Inbox.objects.get(broker=broker)
    return one.received + one.repeated + one.skipped + one.unreadable >= len(messages)


def test_from_rabbitmq_everything_twice_and_killed_before_the_ack(node: str, queue: tuple[str, amqp.Channel]) -> None:
    name, channel = queue
    sent = [message for _, message in wave()]
    environment = {"INBOX_RABBITMQ_URL": node, "INBOX_RABBITMQ_QUEUES": f"carrier={name}", "INBOX_BATCH": "20"}
    send_to_rabbitmq(channel, name, sent)
    dies(environment)
    send_to_rabbitmq(channel, name, sent)
    with process(environment, RUN) as running:
        eventually(lambda: all_once_and_in_order() and confirmed_all("rabbitmq", sent * 2))
        assert running.stop() == 0
    assert all_once_and_in_order()
    left: Any = channel.queue_declare(name, passive=True)
    assert left.message_count == 0, "all is acknowledged"
    assert UnreadableMessage.objects.filter(place=name, reason="no-event").count() == 1
    assert Delivery.objects.filter(subscriber="orders.parcel_delivered").count() == EVENTS + 1


def test_from_kafka_everything_twice_and_killed_before_the_commit(tmp_path: Any, settings: Any) -> None:
    with kafka.broker(tmp_path) as address:
        topic = fresh("parcels")
        settings.INBOX_KAFKA_BOOTSTRAP_SERVERS, settings.INBOX_KAFKA_TOPICS = address, {"carrier": topic}
        assert receiver.create("kafka", dry_run=True) == [f"The topic {topic} is missing."]
        assert receiver.create("kafka", dry_run=False) == [f"The topic {topic} was created."]
        assert receiver.create("kafka", dry_run=False) == []
        environment = {
            "INBOX_KAFKA_BOOTSTRAP_SERVERS": address, "INBOX_KAFKA_TOPICS": f"carrier={topic}", "INBOX_BATCH": "20",
            "INBOX_KAFKA_OPTIONS": "session.timeout.ms=2000,heartbeat.interval.ms=500",
        }  # fmt: skip
        sent = wave()
        send_to_kafka(address, topic, sent)
        dies(environment)
        send_to_kafka(address, topic, sent)
        with process(environment, RUN) as first, process(environment, RUN) as second:
            eventually(lambda: parcels().total() > EVENTS / 2)
            first.kill()  # its partitions go to the second one
            eventually(lambda: all_once_and_in_order() and confirmed_all("kafka", sent * 2))
            assert second.stop() == 0
    assert all_once_and_in_order()
    kept = UnreadableMessage.objects.filter(place=topic)
    assert kept.count() == 6, "each by its offset"
    assert set(kept.values_list("reason", flat=True)) == {"no-event"}


def test_a_missing_queue_and_a_broker_that_is_away_are_told(
    node: str, queue: tuple[str, amqp.Channel], settings: Any
) -> None:
    name, channel = queue
    one = Receiver(receiver.reader("rabbitmq"))
    send_to_rabbitmq(channel, name, [plain("1", "JD0")])
    assert one.turn(5.0) == 1
    channel.queue_delete(name)
    with pytest.raises(Lost):
        one.turn(5.0)
    one.reader.close()
    with pytest.raises(Lost, match="inbox create"):
        one.turn(5.0)
    one.reader.close()
    settings.INBOX_RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:9//"
    with pytest.raises(Lost, match="refused"):
        one.turn(5.0)
    one.reader.close()
    assert parcels() == {("parcel:JD0", "1"): 1}
