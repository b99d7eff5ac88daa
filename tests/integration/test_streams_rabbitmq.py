"""The log on a real RabbitMQ: what a consumer with a plain `amqp` client gets, and what happens to what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import amqp
import pytest

from desk.models import Audit
from events.declare.codec import encode_json
from events.models import StoredEvent
from publishing import services
from publishing.engine import turn
from publishing.engine.records import between
from publishing.models import Cursor, HeldStream
from publishing.rabbitmq import exchange
from publishing.rabbitmq.publisher import rounds
from tests import rabbit
from tests.publishing import caught_up, disorder, orders, recorded, started

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not rabbit.installed() and os.environ.get("CI") != "true", reason="RabbitMQ is not installed"),
]
TOO_LARGE = 40_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbit.Node]:
    with rabbit.Node(tmp_path_factory.mktemp("rabbit"), f"max_message_size = {TOO_LARGE}") as one:
        yield one


@pytest.fixture
def channel(node: rabbit.Node, settings: Any) -> Iterator[amqp.Channel]:
    """A consumer's, on its own connection. The exchange is new for each test."""
    settings.STREAMS_RABBITMQ_URL = node.url
    connection = amqp.Connection(f"127.0.0.1:{node.port}", userid="guest", password="guest")
    connection.connect()
    own = connection.channel()
    assert exchange.create(dry_run=False)
    yield own
    for name in ("orders", "orders.unrouted"):
        connection.channel().exchange_delete(name)
    for name in ("orders.unrouted", "consumer"):
        connection.channel().queue_delete(name)
    connection.close()


def bound(channel: amqp.Channel, key: str = "#", arguments: Any = None) -> None:
    channel.queue_declare("consumer", durable=True, auto_delete=False, arguments=arguments)
    channel.queue_bind("consumer", "orders", key)


def received(channel: amqp.Channel, queue: str = "consumer") -> list[amqp.Message]:
    found = []
    while (message := channel.basic_get(queue, no_ack=True)) is not None:
        found.append(message)
    return found


def bodies(channel: amqp.Channel) -> list[dict[str, Any]]:
    return [json.loads(message.body) for message in received(channel)]


def test_a_plain_consumer_gets_the_envelope_unchanged(channel: amqp.Channel) -> None:
    bound(channel, "order.cancelled")
    recorded(orders(1))
    publisher, cursor = started("rabbitmq")
    caught_up(publisher, cursor)
    publisher.close()
    (message,) = received(channel)
    event = StoredEvent.objects.get()
    assert message.body == encode_json(event.envelope()), "the bytes of the API and of webhooks"
    assert message.delivery_info["routing_key"] == message.properties["type"] == "order.cancelled"
    assert message.properties["message_id"] == str(event.event_id)
    assert message.properties["content_type"] == "application/json"
    assert message.properties["delivery_mode"] == 2
    assert message.properties["timestamp"] == int(event.time.timestamp())
    headers = message.properties["application_headers"]
    assert headers["cloudEvents_id"] == str(event.event_id)
    assert headers["cloudEvents_specversion"] == "1.0"
    assert headers["cloudEvents_source"] == "order-service"
    assert headers["cloudEvents_subject"] == event.stream
    assert headers["cloudEvents_dataschema"].endswith(f"/event-types/order.cancelled/{event.version}/envelope.json")


def test_the_events_of_a_stream_arrive_in_order(channel: amqp.Channel) -> None:
    bound(channel)
    recorded(orders(50), range(1, 11))
    caught_up(*started("rabbitmq"))
    seen = [(one["stream"], one["streamVersion"]) for one in bodies(channel)]
    expected = dict.fromkeys({stream for stream, _ in seen}, 10)
    assert disorder(seen, expected) == {"gaps": 0, "inversions": 0, "duplicates": 0}
    assert len(seen) == 500


def test_a_round_has_one_event_of_a_stream() -> None:
    ids = orders(2)
    recorded(ids, (1, 2))
    recorded(ids[:1], (3,))
    found = between(0, StoredEvent.objects.latest("position").position, 0, 1)
    assert [[one.stream_version for one in round_] for round_ in rounds(found)] == [[1, 1], [2, 2], [3]]


def test_what_no_queue_is_bound_for_is_kept_and_counted(channel: amqp.Channel) -> None:
    bound(channel, "payment.*")
    recorded(orders(3))
    publisher, cursor = started("rabbitmq")
    caught_up(publisher, cursor)
    turn.note_unrouted(publisher, cursor)
    assert Cursor.objects.get().unrouted == 3
    assert len(received(channel, "orders.unrouted")) == 3
    assert received(channel) == []


def test_without_the_alternate_exchange_a_returned_message_is_not_done(channel: amqp.Channel) -> None:
    """It is acked too, so the ack alone proves nothing."""
    bound(channel)
    recorded(orders(1))
    publisher, cursor = started("rabbitmq")
    caught_up(publisher, cursor)  # it has declared all; then somebody deletes
    channel.queue_delete("consumer")
    channel.exchange_delete("orders.unrouted")
    recorded(orders(1))
    caught_up(publisher, cursor)
    held = HeldStream.objects.get()
    assert "No queue takes order.cancelled" in held.error


def test_a_refused_event_holds_only_its_stream_until_a_person_lets_it_go_on(channel: amqp.Channel) -> None:
    bound(channel)
    good, bad = orders(2)
    recorded([good, bad], (1,))
    recorded([bad], (2,), reason="x" * (TOO_LARGE + 1))
    recorded([bad], (3,))
    recorded([good], (2,))
    publisher, cursor = started("rabbitmq")
    caught_up(publisher, cursor)
    seen = [(one["stream"], one["streamVersion"]) for one in bodies(channel)]
    assert sorted(set(seen)) == sorted([(f"order:{good}", 1), (f"order:{good}", 2), (f"order:{bad}", 1)])
    held = HeldStream.objects.get()
    assert held.stream == f"order:{bad}"
    assert "PreconditionFailed" in held.error or "PRECONDITION_FAILED" in held.error

    services.retry(HeldStream.objects.all(), actor="ada")
    assert turn.retry_held(publisher, cursor) == 1
    assert HeldStream.objects.get().position == held.position, "it is refused again"

    assert services.skip(HeldStream.objects.all(), actor="ada", reason="too long") == 1
    assert services.skip(HeldStream.objects.all(), actor="ada", reason="twice") == 0
    assert turn.retry_held(publisher, cursor) == 1
    assert [(one["stream"], one["streamVersion"]) for one in bodies(channel)] == [(f"order:{bad}", 3)]
    assert not HeldStream.objects.exists()
    assert list(Audit.objects.order_by("id").values_list("action", "reason")) == [
        ("start", ""), ("retry", ""), ("skip", "too long"),
    ]  # fmt: skip


def test_a_full_queue_stops_each_stream_at_its_refused_event(channel: amqp.Channel) -> None:
    bound(channel, "#", {"x-max-length": 3, "x-overflow": "reject-publish"})
    recorded(orders(5), (1, 2))
    publisher, cursor = started("rabbitmq")
    caught_up(publisher, cursor)
    assert HeldStream.objects.count() >= 4
    seen = [(one["stream"], one["streamVersion"]) for one in bodies(channel)]
    for _ in range(10):
        services.retry(HeldStream.objects.all(), actor="ada")
        turn.retry_held(publisher, cursor)
        seen += [(one["stream"], one["streamVersion"]) for one in bodies(channel)]
    expected = dict.fromkeys(StoredEvent.objects.values_list("stream", flat=True), 2)
    assert disorder(seen, expected) == {"gaps": 0, "inversions": 0, "duplicates": 0}


def test_a_frozen_broker_confirms_nothing_and_the_rest_comes_later(
    channel: amqp.Channel, node: rabbit.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(channel)
    recorded(orders(20), (1, 2))
    publisher, cursor = started("rabbitmq")
    caught_up(publisher, cursor)
    monkeypatch.setattr(turn, "DEADLINE", 0.5)
    recorded(orders(20), (1, 2))
    with node.frozen(), pytest.raises(turn.BrokerLost) as lost:
        turn.advance(publisher, cursor)
    cursor.failed(lost.value.cause)
    assert Cursor.objects.get().error
    monkeypatch.setattr(turn, "DEADLINE", 8.0)
    caught_up(publisher, cursor)
    seen = [(one["stream"], one["streamVersion"]) for one in bodies(channel)]
    expected = dict.fromkeys(StoredEvent.objects.values_list("stream", flat=True), 2)
    found = disorder(seen, expected)
    assert (found["gaps"], found["inversions"]) == (0, 0)
    assert Cursor.objects.get().error == ""


def test_create_says_what_is_missing_and_what_differs(channel: amqp.Channel) -> None:
    assert exchange.create(dry_run=True) == []
    channel.exchange_delete("orders")
    assert exchange.create(dry_run=True) == ["The exchange orders is missing."]
    channel.exchange_declare("orders", "topic", durable=True, auto_delete=False)
    (sentence,) = exchange.create(dry_run=False)
    assert "in another form" in sentence
