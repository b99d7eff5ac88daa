"""Which publishers the settings ask for. A broker without an address has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from events import ForeignEvent
from publishing.engine.messages import Document, Messages
from publishing.engine.publisher import Publisher
from publishing.inbox import description as inbox


def configured() -> list[str]:
    """The names of the publishers that have an address."""
    addresses = {"kafka": settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS, "rabbitmq": settings.STREAMS_RABBITMQ_URL}
    return [name for name, address in addresses.items() if address]


def publisher(name: str) -> Publisher:
    """A new one, which has no connection yet. The client of the other broker is not loaded."""
    if name == "kafka":
        from publishing.kafka.publisher import KafkaPublisher

        return KafkaPublisher(_frame())
    from publishing.rabbitmq.publisher import RabbitPublisher

    return RabbitPublisher()


def _frame() -> Callable[[str, str, str], bytes] | None:
    """What stands before each value on Kafka; None, and nothing is loaded, without a schema registry.

    Raises ImproperlyConfigured in structured mode, whose value must be a CloudEvent and nothing else.
    """
    url = settings.STREAMS_KAFKA_SCHEMA_REGISTRY_URL
    if not url:
        return None
    if settings.STREAMS_KAFKA_MODE != "binary":
        raise ImproperlyConfigured(
            "STREAMS_KAFKA_SCHEMA_REGISTRY_URL needs STREAMS_KAFKA_MODE=binary: set one of them."
        )
    from publishing.kafka.registry import SchemaRegistry

    return SchemaRegistry(url).frame


def create(name: str, *, dry_run: bool) -> list[str]:
    """Creates the topics or the exchange; returns what was created, and what differs from the settings."""
    if name == "kafka":
        from publishing.kafka import topics

        return topics.create(dry_run=dry_run)
    from publishing.rabbitmq import exchange

    return exchange.create(dry_run=dry_run)


def describe(messages: Messages) -> Mapping[str, Document]:
    """What the configured brokers carry in either direction, for the AsyncAPI document."""
    found: dict[str, Document] = inbox.describe(messages)
    own = {name: event for name, event in messages.items() if not issubclass(event, ForeignEvent)}
    for name in configured():
        for part, named in _described(name, own).items():
            found[part] |= named
    return found


def _described(name: str, messages: Messages) -> Mapping[str, Document]:
    if name == "kafka":
        from publishing.kafka import description as kafka

        return kafka.describe(messages)
    from publishing.rabbitmq import description as rabbitmq

    return rabbitmq.describe(messages)
