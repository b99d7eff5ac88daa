"""RabbitMQ in the AsyncAPI document: a channel per routing key, which is the type of an event."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from kombu.utils.url import parse_url

from events import Event
from publishing.engine.messages import (
    Document,
    Messages,
    attributes,
    channel,
    exactly,
    message,
    named,
    sending,
    trace,
)  # fmt: skip
from publishing.rabbitmq.exchange import exchange
from publishing.rabbitmq.publisher import PREFIX

RABBITMQ = "rabbitmq"
BINDING = "0.3.0"
SENT = {"deliveryMode": 2, "mandatory": True, "timestamp": True, "bindingVersion": BINDING}


def describe(messages: Messages) -> dict[str, Document]:
    types = sorted({event.type for event in messages.values()})
    return {
        "servers": {RABBITMQ: _server()},
        "channels": {f"{RABBITMQ}.{type_}": _channel(type_, messages) for type_ in types},
        "operations": {f"{RABBITMQ}.{type_}.send": _operation(f"{RABBITMQ}.{type_}") for type_ in types},
        "messages": {named(RABBITMQ, name): _message(name, event) for name, event in messages.items()},
    }


def _at() -> dict[str, Any]:
    return dict(parse_url(settings.STREAMS_RABBITMQ_URL))


def _vhost() -> str:
    return str(_at()["virtual_host"] or "/")


def _server() -> Document:
    """Without user and password."""
    at = _at()
    protocol = at["transport"]
    return {
        "host": f"{at['hostname']}:{at['port'] or (5671 if protocol == 'amqps' else 5672)}",
        "protocol": protocol,
        "protocolVersion": "0.9.1",
        "description": f"The virtual host is `{_vhost()}`.",
        "security": [{"type": "userPassword"}],
    }


def _channel(type_: str, messages: Messages) -> Document:
    names = {name: named(RABBITMQ, name) for name, event in messages.items() if event.type == type_}
    to = {"name": exchange(), "type": "topic", "durable": True, "autoDelete": False, "vhost": _vhost()}
    described = {
        "title": f"The routing key {type_}",
        "description": f"Bind a durable queue of your own to the exchange `{exchange()}` with this key, or a pattern.",
        "bindings": {"amqp": {"is": "routingKey", "exchange": to, "bindingVersion": BINDING}},
    }
    return channel(type_, [RABBITMQ], names, described)


def _operation(channel: str) -> Document:
    return sending(channel) | {"bindings": {"amqp": SENT}}


def _message(name: str, event: type[Event]) -> Document:
    headers = exactly(attributes(event, PREFIX) | trace())
    bindings = {"amqp": {"messageType": event.type, "bindingVersion": BINDING}}
    return message(name, event, headers=headers, bindings=bindings)
