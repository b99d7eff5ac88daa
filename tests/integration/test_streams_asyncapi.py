"""The AsyncAPI document describes exactly what is published: each message that both brokers carry is compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import jsonschema  # type: ignore[import-untyped]
import pytest
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from events import ForeignEvent
from events.catalogue.asyncapi import asyncapi
from events.catalogue.markdown import installed
from events.declare.codec import decode
from events.log.append import emit
from tests import kafka, rabbit
from tests.contracts.published import golden_of
from tests.integration.wires import NEEDED, kafka_wire, of_queue, published, rabbit_wire

pytestmark = [pytest.mark.django_db(transaction=True), *NEEDED]
Document = dict[str, Any]
SPEC = json.loads((Path(__file__).with_name("asyncapi-spec") / "schema.json").read_text())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka.broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def topic(address: str, settings: Any) -> str:
    return kafka_wire(address, settings)


@pytest.fixture
def channel(tmp_path: Path, settings: Any) -> Iterator[amqp.Channel]:
    with rabbit.node(tmp_path / "rabbit") as url, rabbit_wire(url, settings) as channel:
        yield channel


def document() -> Document:
    """As the API answers, and valid."""
    found: Document = json.loads(json.dumps(asyncapi()))
    jsonschema.Draft7Validator(SPEC).validate(found)
    return found


def one_of_each() -> int:
    """One event of each type and version, in the log; how many of them are published."""
    events = [decode(one.type, one.version, json.dumps(golden_of(one))) for one in installed()]
    emit(events)
    return len([event for event in events if not isinstance(event, ForeignEvent)])


def schema_fits(whole: Document, schema: Document, value: Any) -> bool:
    validator = jsonschema.Draft202012Validator(
        {**schema, "components": whole["components"]}, format_checker=jsonschema.FormatChecker()
    )
    return bool(validator.is_valid(value))


def described(whole: Document, protocol: str, address: str) -> tuple[Document, list[Document]]:
    """The one channel at this address, and its messages."""
    (channel,) = [
        one for one in whole["channels"].values() if one["address"] == address and protocol in one.get("bindings", {})
    ]
    for server in channel["servers"]:
        assert server["$ref"].removeprefix("#/servers/") in whole["servers"]
    names = [one["$ref"].removeprefix("#/components/messages/") for one in channel["messages"].values()]
    return channel, [whole["components"]["messages"][name] for name in names]


def kafka_fits(whole: Document, message: Message, described: Document) -> bool:
    sent: Any = message.headers()
    key: Any = message.key()
    headers = {name: value.decode() for name, value in sent}
    return (
        headers["content-type"] == described["contentType"]
        and schema_fits(whole, described["headers"], headers)
        and schema_fits(whole, described["payload"], json.loads(message.value() or b""))
        and schema_fits(whole, described["bindings"]["kafka"]["key"], key.decode())
    )


def amqp_fits(whole: Document, message: amqp.Message, described: Document) -> bool:
    properties = message.properties
    return (
        properties["content_type"] == described["contentType"]
        and properties["type"] == described["bindings"]["amqp"]["messageType"] == described["name"]
        and schema_fits(whole, described["headers"], properties["application_headers"])
        and schema_fits(whole, described["payload"], json.loads(message.body))
    )


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_each_record_on_kafka_is_one_of_the_messages_of_its_topic(
    address: str, topic: str, settings: Any, mode: str
) -> None:
    settings.STREAMS_KAFKA_MODE = mode
    count, whole = one_of_each(), document()
    published("kafka")
    there = AdminClient({"bootstrap.servers": address}).list_topics(timeout=10).topics
    told = {
        one["address"]: one["bindings"]["kafka"]
        for one in whole["channels"].values()
        if "kafka" in one.get("bindings", {})
    }
    for name, binding in told.items():
        assert len(there[name].partitions) == binding["partitions"]
        assert binding["topic"] == name
    records = [record for name in told for record in kafka.consumed(address, name, 1_000, within=1.0)]
    assert len(records) == count
    for record in records:
        _, messages = described(whole, "kafka", record.topic() or "")
        assert [kafka_fits(whole, record, one) for one in messages].count(True) == 1, record.value()


def test_each_message_on_rabbitmq_is_the_message_of_its_routing_key(channel: amqp.Channel) -> None:
    count, whole = one_of_each(), document()
    published("rabbitmq")
    received = of_queue(channel)
    assert len(received) == count
    for message in received:
        at, messages = described(whole, "amqp", message.delivery_info["routing_key"])
        assert [amqp_fits(whole, message, one) for one in messages].count(True) == 1, message.body
        binding = at["bindings"]["amqp"]["exchange"]
        assert message.delivery_info["exchange"] == binding["name"]
    # RabbitMQ refuses the declaration of one that exists in another form.
    channel.exchange_declare(
        binding["name"], binding["type"], durable=binding["durable"], auto_delete=binding["autoDelete"],
        arguments={"alternate-exchange": f"{binding['name']}.unrouted"},
    )  # fmt: skip


def test_only_what_is_configured_is_described(settings: Any) -> None:
    assert document()["servers"].keys() == {"api"}
    settings.STREAMS_RABBITMQ_URL = "amqps://user:hidden@mq.internal/shop"
    whole = document()
    assert whole["servers"]["rabbitmq"]["host"] == "mq.internal:5671"
    assert whole["servers"]["rabbitmq"]["protocol"] == "amqps"
    (vhost,) = {one["bindings"]["amqp"]["exchange"]["vhost"] for one in whole["channels"].values() if "bindings" in one}
    assert vhost == "shop"
    assert not [name for name in whole["channels"] if name.startswith("kafka")]
    assert "hidden" not in json.dumps(whole)


def test_every_bootstrap_server_is_named_without_its_password(settings: Any) -> None:
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = "SASL_SSL://k1.internal:9093, k2.internal:9093"
    settings.STREAMS_KAFKA_OPTIONS = {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.password": "hidden",
    }  # fmt: skip
    whole = document()
    told = {"protocol": "kafka-secure", "security": [{"type": "scramSha512"}]}
    assert whole["servers"]["kafka"] == {"host": "k1.internal:9093", **told}
    assert whole["servers"]["kafka-2"] == {"host": "k2.internal:9093", **told}
    assert [one["$ref"] for one in whole["channels"]["kafka.order"]["servers"]] == [
        "#/servers/kafka", "#/servers/kafka-2",
    ]  # fmt: skip
    assert "hidden" not in json.dumps(whole)


def test_what_is_received_is_described_without_passwords(settings: Any) -> None:
    settings.INBOX_KAFKA_BOOTSTRAP_SERVERS = "k1.internal:9093,k2.internal:9093"
    settings.INBOX_KAFKA_TOPICS = {"carrier": "parcels"}
    settings.INBOX_RABBITMQ_URL, settings.INBOX_RABBITMQ_QUEUES = (
        "amqps://user:hidden@mq.internal/shop",
        {"erp": "stock"},
    )
    whole = document()
    assert {name: one["host"] for name, one in whole["servers"].items() if name != "api"} == {
        "inbox-kafka": "k1.internal:9093", "inbox-rabbitmq": "mq.internal:5671",
    }  # fmt: skip
    operation = whole["operations"]["inbox.kafka.carrier.receive"]
    channel = whole["channels"]["inbox.kafka.carrier"]
    assert (operation["action"], channel["address"]) == ("receive", "parcels")
    (name,) = channel["messages"]
    message = whole["components"]["messages"][f"inbox.kafka.carrier.{name}"]
    assert schema_fits(whole, message["payload"], {"carrier": "DHL", "trackingNumber": "JD0"})
    assert not schema_fits(whole, message["payload"], {"carrier": "DHL"})
    assert whole["channels"]["inbox.rabbitmq.erp"]["messages"] == {}, "nothing of it is declared"
    assert "hidden" not in json.dumps(whole)
