"""The comparison with Debezium finds what differs. `make debezium` compares with the real one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bench.debezium.comparison import Compared
from bench.debezium.connector import CONFIGURATION, Received
from publishing.engine.records import Record, between
from publishing.kafka.publisher import message_of
from publishing.kafka.topics import topic_of
from tests.publishing import orders, recorded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log() -> list[Record]:
    recorded(orders(2), (1, 2))
    return between(0, 2**62, 0, 1)


def as_debezium(record: Record) -> Received:
    key, value, headers = message_of(record)
    texts: dict[str, Any] = {name: text.decode() for name, text in headers if isinstance(text, bytes)}
    del texts["ce_dataschema"]
    turned = dict(reversed(json.loads(value).items()))
    return Received(topic_of(record.kind), key.decode(), json.dumps(turned), texts | {"traceparent": ""})


def changed(received: Received, field: str, content: object) -> Received:
    return msgspec.structs.replace(received, value=json.dumps(json.loads(received.value) | {field: content}))


def test_the_same_events_are_no_difference(log: list[Record]) -> None:
    received = [as_debezium(record) for record in log]
    found = Compared(log, [*received, received[-1]])
    assert (found.records, found.differences, found.repeated, found.shorter) == (4, [], 1, 0)


def test_each_kind_of_difference_is_found(log: list[Record]) -> None:
    received = [as_debezium(record) for record in log]
    first, *rest = received
    replace = msgspec.structs.replace
    for wrong, said in (
        ([*rest], "is missing"),
        ([*received, replace(first, headers=first.headers | {"ce_id": "other"})], "is not in the log"),
        ([changed(first, "timestamp", "2026-01-15T10:30:00Z"), *rest], "value is"),
        ([changed(first, "data", {}), *rest], "value is"),
        ([replace(first, key="order:other"), *rest], "key is"),
        ([replace(first, topic="orders.payment"), *rest], "topic is"),
        ([replace(first, headers=first.headers | {"ce_time": "later"}), *rest], "headers is"),
        ([*reversed(received)], "comes after"),
    ):
        assert any(said in difference for difference in Compared(log, wrong).differences), said


def test_an_empty_array_may_be_left_out_and_is_counted(log: list[Record]) -> None:
    empty = msgspec.structs.replace(log[0], data=b'{"orderId":"1","items":[]}')
    received = changed(as_debezium(empty), "data", {"orderId": "1"})
    found = Compared([empty], [received])
    assert (found.differences, found.shorter) == ([], 1)


def test_the_configuration_publishes_to_the_topics_and_envelope_of_the_project(log: list[Record]) -> None:
    config = json.loads(CONFIGURATION.read_text())["config"]
    placed = [one.split(":") for one in config["transforms.outbox.table.fields.additional.placement"].split(",")]
    envelope = {alias for _, place, alias in placed if place == "envelope"} | {"data"}
    assert envelope == json.loads(log[0].body).keys()
    assert config["transforms.outbox.route.topic.replacement"] == topic_of("${kind}")
