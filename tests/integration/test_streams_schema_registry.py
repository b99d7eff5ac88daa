"""Values on Kafka with the id of their schema before them: confluent-kafka's own deserializer reads what we publish."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jsonschema  # type: ignore[import-untyped]
import pytest
from confluent_kafka import Message
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError
from django.core.exceptions import ImproperlyConfigured
from django.utils.timezone import now

from events.catalogue.asyncapi import asyncapi
from events.declare.codec import encode_json
from events.models import StoredEvent
from orderproject.stack.ports import free_port
from publishing.engine import turn
from publishing.engine.brokers import publisher
from publishing.kafka import topics
from publishing.models import Cursor, HeldStream
from tests import kafka, mock_kafka
from tests.contracts.published import goldens, name_of
from tests.integration.test_streams_asyncapi import SPEC, one_of_each
from tests.mock_kafka import MockCluster
from tests.publishing import caught_up, orders, recorded, started
from tests.schema_registry import Registry, serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cluster(settings: Any) -> Iterator[MockCluster]:
    with mock_kafka.cluster() as cluster:
        for topic in topics.topics():
            cluster.create(topic, 1)
        settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = cluster.address
        yield cluster


@pytest.fixture
def registry(settings: Any) -> Registry:
    """Not served yet."""
    registry = Registry(free_port())
    settings.STREAMS_KAFKA_SCHEMA_REGISTRY_URL = f"http://shop:s3cret@127.0.0.1:{registry.port}"
    return registry


def consumed(cluster: MockCluster, counts: dict[str, int]) -> list[Message]:
    return [
        message
        for topic, count in counts.items()
        for message in kafka.consumed(cluster.address, topic, count, within=5.0, partitions=1)
    ]


class Reader:
    """A consumer with Confluent's deserializer."""

    def __init__(self, registry: Registry) -> None:
        client = SchemaRegistryClient({"url": registry.url})
        self._read = JSONDeserializer(None, schema_registry_client=client)

    def envelope(self, message: Message) -> Any:
        """Raises SerializationError if it does not fit its schema."""
        return self._read(message.value(), SerializationContext(message.topic() or "", MessageField.VALUE))


def every_version_ever_published() -> None:
    """Also versions that no code declares any more but whose events are in logs."""
    for file in goldens():
        type_, version = name_of(file)
        kind = type_.partition(".")[0]
        StoredEvent.objects.create(
            event_id=uuid4(), stream=f"{kind}:{uuid4()}", stream_version=1, type=type_, version=version,
            data=json.loads(file.read_text()), source=f"{kind}-service", time=now(),
        )  # fmt: skip


def test_the_deserializer_of_confluent_reads_every_event(cluster: MockCluster, registry: Registry) -> None:
    one_of_each()
    every_version_ever_published()
    counts = dict.fromkeys(topics.topics(), 0)
    events = {}
    for event in StoredEvent.objects.all():
        topic = topics.topic_of(event.stream.partition(":")[0])
        if topic in counts:  # others are events of other systems, which are not published
            counts[topic] += 1
            events[str(event.event_id)] = event
    with serving(registry):
        caught_up(*started("kafka"))
        asked = len(registry.requests)
        messages = consumed(cluster, counts)
        assert len(messages) == len(events)
        reader = Reader(registry)
        for message in messages:
            envelope = reader.envelope(message)
            event = events.pop(envelope["eventId"])
            assert envelope == event.envelope()
            assert (message.value() or b"")[5:] == encode_json(event.envelope()), (
                "the bytes of the API behind the frame"
            )
            assert f"{message.topic()}-{event.type}-{event.version}" in registry.subjects
    assert events == {}
    assert asked == 2 * len(registry.subjects), "each schema is looked up and registered once"
    assert registry.authorization == "", "the consumer needs no password here"


def test_a_value_that_does_not_fit_is_refused_by_the_schema(cluster: MockCluster, registry: Registry) -> None:
    """So the schema says something."""
    recorded(orders(1))
    with serving(registry):
        caught_up(*started("kafka"))
        (message,) = consumed(cluster, {"orders.order": 1})
        value = message.value() or b""
        message.set_value(value.replace(b'"order.cancelled"', b'"order.confirmed"'))
        with pytest.raises(SerializationError):
            Reader(registry).envelope(message)


def test_a_schema_that_is_registered_is_not_registered_again(cluster: MockCluster, registry: Registry) -> None:
    recorded(orders(3))
    with serving(registry):
        caught_up(*started("kafka"))
        assert registry.requests[-1].endswith("/versions")
        assert registry.authorization.startswith("Basic ")
        registry.requests.clear()
        another = publisher("kafka")
        caught_up(another, _from_the_start())
        assert registry.requests == ["POST /subjects/orders.order-order.cancelled-1.2"]
    ids = {(message.value() or b"")[:5] for message in consumed(cluster, {"orders.order": 6})}
    assert ids == {b"\x00\x00\x00\x00\x01"}


def _from_the_start() -> Any:
    Cursor.objects.all().delete()
    _, cursor = started("kafka")
    return cursor


def test_nothing_is_published_until_the_registry_answers(cluster: MockCluster, registry: Registry) -> None:
    recorded(orders(5), (1, 2))
    running, cursor = started("kafka")
    with pytest.raises(turn.BrokerLost) as lost:
        turn.advance(running, cursor)
    cursor.failed(lost.value.cause)
    stored = Cursor.objects.get()
    assert stored.position == 0
    assert f"The schema registry at 127.0.0.1:{registry.port} cannot be asked" in stored.error
    assert "STREAMS_KAFKA_SCHEMA_REGISTRY_URL" in stored.error
    assert "s3cret" not in stored.error
    assert cluster.requests() == 0
    with serving(registry):
        caught_up(running, cursor)
    assert not HeldStream.objects.exists()
    assert len(consumed(cluster, {"orders.order": 10})) == 10


def test_a_registry_that_goes_away_stops_only_what_it_was_never_asked_for(
    cluster: MockCluster, registry: Registry
) -> None:
    recorded(orders(5))
    running, cursor = started("kafka")
    with serving(registry):
        caught_up(running, cursor)
    recorded(orders(5))
    caught_up(running, cursor)
    assert len(consumed(cluster, {"orders.order": 10})) == 10, "known schemas need no registry"
    one_of_each()
    before = cursor.position
    with pytest.raises(turn.BrokerLost, match="cannot be asked"):
        turn.advance(running, cursor)
    assert Cursor.objects.get().position == before
    with serving(registry):
        caught_up(running, cursor)
        of_order = StoredEvent.objects.filter(stream__startswith="order:").count()
        assert len(consumed(cluster, {"orders.order": of_order})) == of_order
    assert not HeldStream.objects.exists()


@pytest.mark.parametrize("status", [403, 409, 500])
def test_a_registry_that_refuses_is_quoted_and_waited_for(
    cluster: MockCluster, registry: Registry, status: int
) -> None:
    recorded(orders(1))
    running, cursor = started("kafka")
    registry.refusing = status
    with serving(registry):
        with pytest.raises(turn.BrokerLost, match=rf"order\.cancelled-1\.2 with {status}: .*denied"):
            turn.advance(running, cursor)
        registry.refusing = 0
        caught_up(running, cursor)
    assert len(consumed(cluster, {"orders.order": 1})) == 1


def test_a_server_that_is_no_registry_is_told(cluster: MockCluster, registry: Registry) -> None:
    recorded(orders(1))
    running, cursor = started("kafka")
    registry.refusing = 200
    with serving(registry), pytest.raises(turn.BrokerLost, match="is no schema registry"):
        turn.advance(running, cursor)


def test_it_does_not_go_with_the_structured_mode(registry: Registry, settings: Any) -> None:
    settings.STREAMS_KAFKA_MODE = "structured"
    with pytest.raises(ImproperlyConfigured, match="STREAMS_KAFKA_MODE=binary"):
        publisher("kafka")


def test_the_asyncapi_document_says_where_the_schemas_are(registry: Registry, settings: Any) -> None:
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = "kafka:9092"
    found: Any = json.loads(json.dumps(asyncapi()))
    jsonschema.Draft7Validator(SPEC).validate(found)
    binding = found["servers"]["kafka"]["bindings"]["kafka"]
    assert binding["schemaRegistryUrl"] == registry.url
    messages = [one for name, one in found["components"]["messages"].items() if name.startswith("kafka.")]
    assert {one["bindings"]["kafka"]["schemaIdLocation"] for one in messages} == {"payload"}
