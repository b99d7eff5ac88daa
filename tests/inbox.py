"""What the tests of the inbox share: tracking messages, what a system sends them with, and a process that dies."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import uuid4

import amqp
from confluent_kafka import Producer

from events.declare.foreign import Message
from events.models import StoredEvent
from publishing.inbox.arrived import Arrived

RUN = ("manage.py", "inbox", "run")
# The whole receiver, which kills itself (-9) when its first batch is committed and not confirmed to the broker.
DIES_BEFORE_CONFIRMING = (
    "-c",
    """
import os, signal, sys
from threading import Event
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orderproject.settings")
import django
django.setup()
from publishing.inbox import receiver
def reader(broker):
    made = receiver_reader(broker)
    fetch, got = made.fetch, []
    def remembered(seconds):
        got[:] = fetch(seconds)
        return list(got)
    made.fetch = remembered
    made.confirm = lambda: got and os.kill(os.getpid(), signal.SIGKILL)
    return made
receiver_reader, receiver.reader = receiver.reader, reader
receiver.run(receiver.configured(), Event())
""",
)
URI = "https://carrier.example/tracking"


def parcel(number: str, **more: object) -> dict[str, object]:
    """The data of a `parcel.delivered`."""
    return {"carrier": "DHL", "trackingNumber": number, "deliveredAt": "2026-01-15T10:30:00Z", **more}


def attributes(id_: str, type_: str = "parcel.delivered", source: str = URI) -> dict[str, str]:
    """Of a CloudEvent."""
    return {"specversion": "1.0", "id": id_, "source": source, "type": type_}


def binary(id_: str, data: object, prefix: str = "ce_", **named: Any) -> Message:
    headers = {f"{prefix}{name}": value for name, value in attributes(id_, **named).items()}
    return Message(json.dumps(data).encode(), headers, "application/json")


def structured(id_: str, data: object, **named: Any) -> Message:
    body = {**attributes(id_, **named), "datacontenttype": "application/json", "data": data}
    return Message(json.dumps(body).encode(), {}, "application/cloudevents+json; charset=UTF-8")


def plain(id_: str, number: str, status: str = "DELIVERED") -> Message:
    """What the carrier sends that does not speak CloudEvents."""
    told = {"messageId": id_, "carrier": "DHL", "trackingNumber": number, "status": status}
    return Message(json.dumps(told | {"occurredAt": "2026-01-15T10:30:00Z"}).encode(), {}, "application/json")


def arrived(message: Message, offset: int = 0) -> Arrived:
    return Arrived("carrier", "kafka", "parcels", message, 0, offset)


def parcels() -> Counter[tuple[str, str]]:
    """How often the log has each (stream, foreign id)."""
    found = StoredEvent.objects.filter(type="parcel.delivered")
    return Counter(found.values_list("stream", "correlation_id"))


def order_of(stream: str) -> list[str]:
    """The foreign ids of a stream in its order."""
    found = StoredEvent.objects.filter(stream=stream).order_by("stream_version")
    return list(found.values_list("correlation_id", flat=True))


def send_to_kafka(address: str, topic: str, messages: list[tuple[str, Message]]) -> None:
    """With keys, as another system does."""
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})
    for key, message in messages:
        headers: Any = [("content-type", message.content_type), *message.headers.items()]
        producer.produce(topic, message.body, key, headers=headers)
    assert producer.flush(10) == 0


def send_to_rabbitmq(channel: amqp.Channel, queue: str, messages: list[Message]) -> None:
    for message in messages:
        sent = amqp.Message(
            message.body, content_type=message.content_type, application_headers=dict(message.headers), delivery_mode=2
        )
        channel.basic_publish(sent, "", queue)


def fresh(name: str) -> str:
    return f"{name}-{uuid4().hex[:8]}"
