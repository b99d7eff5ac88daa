"""What consumers get, read by the official SDK of CloudEvents: both modes on Kafka, and the headers on RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import amqp
import jsonschema  # type: ignore[import-untyped]
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import amqp as amqp_binding
from cloudevents.core.bindings import kafka as kafka_binding
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Message
from django.test import Client

from events.declare.codec import encode_json
from events.log.context import Context, caused_by
from events.models import StoredEvent
from tests import kafka, rabbit
from tests.integration.wires import NEEDED, kafka_wire, of_queue, published, rabbit_wire
from tests.publishing import orders, recorded

pytestmark = [pytest.mark.django_db(transaction=True), *NEEDED]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JSON = JSONFormat()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka.broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def topic(address: str, settings: Any) -> str:
    return kafka_wire(address, settings)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rabbit.node(tmp_path_factory.mktemp("rabbit")) as url:
        yield url


@pytest.fixture
def channel(node: str, settings: Any) -> Iterator[amqp.Channel]:
    with rabbit_wire(node, settings) as channel:
        yield channel


def logged() -> list[StoredEvent]:
    """An event with a trace, and one without."""
    with caused_by(Context(traceparent=TRACE)):
        recorded(orders(1), reason="Größe passt nicht")
    recorded(orders(1))
    return list(StoredEvent.objects.all())


def as_kafka(message: Message) -> kafka_binding.KafkaMessage:
    headers: Any = dict(message.headers() or [])
    return kafka_binding.KafkaMessage(headers, message.key(), message.value() or b"")


def as_amqp(message: amqp.Message) -> amqp_binding.AMQPMessage:
    """As RabbitMQ shows a message of AMQP 0-9-1 to a client of AMQP 1.0: headers as application properties."""
    properties = {"content-type": message.properties["content_type"]}
    return amqp_binding.AMQPMessage(properties, message.properties["application_headers"], _bytes(message))


def _bytes(message: amqp.Message) -> bytes:
    assert isinstance(message.body, bytes), "a text would mean that RabbitMQ was told a content encoding"
    return message.body


def expect(found: BaseCloudEvent, event: StoredEvent, **further: Any) -> None:
    """Every attribute is as the specification says, the data is the envelope, and its schema is where it says."""
    envelope = event.envelope()
    own = {"traceparent": event.traceparent} if event.traceparent else {}
    assert found.get_data() == envelope
    assert found.get_attributes() == {
        "specversion": "1.0", "id": envelope["eventId"], "source": envelope["source"], "type": event.type,
        "subject": event.stream, "time": event.time, "datacontenttype": "application/json",
        "dataschema": found.get_dataschema(), **own, **further,
    }  # fmt: skip
    schema = Client().get(urlsplit(found.get_dataschema() or "").path).json()
    jsonschema.Draft202012Validator(schema).validate(found.get_data())


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_the_sdk_reads_both_modes_on_kafka(address: str, topic: str, settings: Any, mode: str) -> None:
    settings.STREAMS_KAFKA_MODE = mode
    events = {str(event.event_id): event for event in logged()}
    published("kafka")
    messages = kafka.consumed(address, topic, 2)
    assert len(messages) == 2
    for message in messages:
        found = kafka_binding.from_kafka(as_kafka(message), JSON)
        event = events.pop(found.get_id())
        expect(found, event, partitionkey=event.stream)  # which the SDK takes from the record's key
    assert events == {}


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_the_sdk_would_send_the_same_headers_on_kafka(address: str, topic: str, settings: Any, mode: str) -> None:
    settings.STREAMS_KAFKA_MODE = mode
    logged()
    published("kafka")
    write = {"binary": kafka_binding.to_binary, "structured": kafka_binding.to_structured}[mode]
    for message in kafka.consumed(address, topic, 2):
        ours = as_kafka(message)
        theirs = write(kafka_binding.from_kafka(ours, JSON), JSON)
        beside = {"traceparent"}  # for clients that know tracing but not CloudEvents
        assert ours.headers.keys() - beside == theirs.headers.keys() - beside - {"ce_partitionkey"}
        assert ours.headers["content-type"] == theirs.headers["content-type"]


def test_the_sdk_reads_the_headers_on_rabbitmq(channel: amqp.Channel) -> None:
    events = logged()
    published("rabbitmq")
    messages = of_queue(channel)
    for message, event in zip(messages, events, strict=True):
        expect(amqp_binding.from_amqp(as_amqp(message), JSON), event)
        assert message.body == encode_json(event.envelope())


def test_the_sdk_would_send_the_same_headers_on_rabbitmq(channel: amqp.Channel) -> None:
    logged()
    published("rabbitmq")
    for message in of_queue(channel):
        ours = as_amqp(message)
        theirs = amqp_binding.to_binary(amqp_binding.from_amqp(ours, JSON), JSON)
        assert ours.application_properties.keys() - {"traceparent"} == theirs.application_properties.keys()
        assert ours.properties == theirs.properties
