"""The log on a Kafka that answers with errors: librdkafka's mock cluster, which can be told what to answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from events.models import StoredEvent
from publishing.engine import turn
from publishing.engine.cursors import Held
from publishing.engine.publisher import Publisher
from publishing.models import Cursor, HeldStream
from tests import kafka, mock_kafka
from tests.mock_kafka import DISCONNECT, MockCluster
from tests.publishing import caught_up, disorder, orders, recorded, started

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = "orders.order"
PARTITIONS = 6
NOTHING_WRONG = {"gaps": 0, "inversions": 0, "duplicates": 0}


@pytest.fixture
def cluster(settings: Any) -> Iterator[MockCluster]:
    with mock_kafka.cluster() as cluster:
        cluster.create(TOPIC, PARTITIONS)
        settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = cluster.address
        yield cluster


@pytest.fixture
def running(cluster: MockCluster) -> Iterator[tuple[Publisher, Held]]:
    publisher, cursor = started("kafka")
    yield publisher, cursor
    publisher.close()


def consumed(cluster: MockCluster) -> list[tuple[str, int]]:
    """Stream and version of each message in the topic, as an ordinary consumer reads them."""
    messages = kafka.consumed(cluster.address, TOPIC, stored(cluster))
    return [(one["stream"], one["streamVersion"]) for one in (json.loads(one.value() or b"") for one in messages)]


def stored(cluster: MockCluster) -> int:
    consumer = Consumer({"bootstrap.servers": cluster.address, "group.id": "reader"})
    try:
        ends = [
            consumer.get_watermark_offsets(TopicPartition(TOPIC, number), timeout=10) for number in range(PARTITIONS)
        ]
        return sum(end for _, end in ends)
    finally:
        consumer.close()


def last() -> int:
    return StoredEvent.objects.latest("position").position


@pytest.mark.parametrize(
    "errors",
    [
        (KafkaError.NOT_LEADER_FOR_PARTITION,) * 3,
        (KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.REQUEST_TIMED_OUT),
        (DISCONNECT,),
    ],
    ids=["no leader", "no replicas", "disconnected"],
)
def test_what_passes_is_tried_again_by_the_producer_in_order(
    cluster: MockCluster, running: tuple[Publisher, Held], errors: tuple[int, ...]
) -> None:
    recorded(orders(10), range(1, 6))
    cluster.answers(*errors)
    caught_up(*running)
    partitions = {message.partition() for message in kafka.consumed(cluster.address, TOPIC, 50)}
    assert cluster.requests() >= len(partitions) + len(errors), "each error was met"
    assert Cursor.objects.get().position == last()
    assert not HeldStream.objects.exists()
    found = disorder(consumed(cluster), {str(n): 5 for n in range(10)})
    assert (found["gaps"], found["inversions"]) == (0, 0)
    if DISCONNECT not in errors:  # the mock cluster, unlike Kafka, takes a batch again whose answer was lost
        assert found["duplicates"] == 0


@pytest.mark.parametrize("error", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED])
def test_a_missing_right_is_the_brokers_affair_and_holds_no_stream(
    cluster: MockCluster, running: tuple[Publisher, Held], error: int
) -> None:
    publisher, cursor = running
    recorded(orders(10), range(1, 6))
    cluster.answers(error)
    with pytest.raises(turn.BrokerLost) as lost:
        turn.advance(publisher, cursor)
    cursor.failed(lost.value.cause)
    stored = Cursor.objects.get()
    assert (stored.position, stored.failures) == (0, 1)
    assert "AUTHORIZATION_FAILED" in stored.error
    assert not HeldStream.objects.exists()
    caught_up(publisher, cursor)
    found = disorder(consumed(cluster), {str(n): 5 for n in range(10)})
    assert (found["gaps"], found["inversions"]) == (0, 0)


def test_one_of_many_that_the_broker_finds_too_large_stops_no_other(
    cluster: MockCluster, running: tuple[Publisher, Held]
) -> None:
    """The whole batch of a partition fails with it, and the producer ends; alone, each of the batch is taken."""
    recorded(orders(10), range(1, 6))
    cluster.answers(KafkaError.MSG_SIZE_TOO_LARGE)
    caught_up(*running)
    assert not HeldStream.objects.exists()
    assert Cursor.objects.get().position == last()
    found = disorder(consumed(cluster), {str(n): 5 for n in range(10)})
    assert (found["gaps"], found["inversions"]) == (0, 0)


def test_what_the_broker_finds_too_large_stops_its_stream_until_it_is_through(
    cluster: MockCluster, running: tuple[Publisher, Held]
) -> None:
    publisher, cursor = running
    bad, *others = orders(10)
    recorded([bad], (1,))
    cluster.answers(KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.MSG_SIZE_TOO_LARGE)  # in its batch, and alone
    caught_up(publisher, cursor)
    held = HeldStream.objects.get()
    assert held.stream == f"order:{bad}"
    assert "MSG_SIZE_TOO_LARGE" in held.error

    recorded(others, range(1, 6))
    recorded([bad], range(2, 6))
    caught_up(publisher, cursor)
    seen = consumed(cluster)
    assert {stream for stream, _ in seen} == {f"order:{order}" for order in others}, "others go on, none overtakes it"
    assert disorder(seen, {stream: 5 for stream, _ in seen}) == NOTHING_WRONG

    HeldStream.objects.update(due_at="2020-01-01T00:00:00Z")
    assert turn.retry_held(publisher, cursor) == 1
    assert not HeldStream.objects.exists()
    assert disorder(consumed(cluster), {str(n): 5 for n in range(10)}) == NOTHING_WRONG


def test_a_slow_broker_only_delays(cluster: MockCluster, running: tuple[Publisher, Held]) -> None:
    publisher, cursor = running
    recorded(orders(10), range(1, 6))
    turn.advance(publisher, cursor, batch=1)
    cluster.answers_after(0.5)
    began = time.monotonic()
    caught_up(publisher, cursor)
    assert time.monotonic() - began > 0.5, "it waits for the reports"
    assert cursor.position == last()
    cluster.answers_after(0)
    seen = consumed(cluster)
    assert disorder(seen, {stream: 5 for stream, _ in seen}) == NOTHING_WRONG


def test_a_report_that_comes_too_late_counts_as_none(
    cluster: MockCluster, running: tuple[Publisher, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, cursor = running
    recorded(orders(10), range(1, 6))
    monkeypatch.setattr(turn, "DEADLINE", 1.0)
    cluster.answers_after(2.0)
    with pytest.raises(turn.BrokerLost, match="unreported"):
        turn.advance(publisher, cursor)
    assert Cursor.objects.get().position == 0
    cluster.answers_after(0)
    monkeypatch.setattr(turn, "DEADLINE", 8.0)
    caught_up(publisher, cursor)
    found = disorder(consumed(cluster), {str(n): 5 for n in range(10)})
    assert (found["gaps"], found["inversions"]) == (0, 0)
