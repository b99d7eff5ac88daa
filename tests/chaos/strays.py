"""Messages that no worker can make a task of, sent as a stranger would."""

import json
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings

from orderproject.celery import app

SWEEP = b"[[], {}, {}]"


def headers(**changes: Any) -> dict[str, Any]:
    """As Celery writes them; None takes one out."""
    id_ = str(uuid4())
    usual = {
        "lang": "py",
        "task": "sagas.sweep",
        "id": id_,
        "root_id": id_,
        "argsrepr": "()",
        "kwargsrepr": "{}",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def send(body: bytes, queue: str = "orders", content_type: str = "application/json", **changes: Any) -> None:
    with app.connection_for_write() as connection, connection.Producer() as producer:
        producer.publish(
            body,
            exchange="",
            routing_key=queue,
            headers=headers(**changes),
            content_type=content_type,
            content_encoding="utf-8",
            declare=[app.amqp.queues[queue]],
        )


def push(item: bytes, queue: str = "orders") -> None:
    """Past kombu, right into Valkey's list."""
    redis.Redis.from_url(settings.BROKER_URL).lpush(queue, item)


def envelope(**changes: Any) -> bytes:
    usual = {
        "body": "W10=",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers(),
        "properties": {
            "delivery_tag": str(uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "orders"},
            "body_encoding": "base64",
        },
    }
    return json.dumps({**usual, **changes}).encode()
