"""Kafka in the AsyncAPI document: a channel per topic, and records with the headers of the mode that is set."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

from events import Event
from publishing.engine.messages import (
    Document,
    Messages,
    attributes,
    channel,
    envelope,
    exactly,
    message,
    named,
    sending,
    trace,
)  # fmt: skip
from publishing.engine.records import JSON
from publishing.kafka.publisher import STRUCTURED
from publishing.kafka.topics import topic_of

KAFKA = "kafka"
BINDING = "0.5.0"
SCHEMES = {"PLAIN": "plain", "SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512", "GSSAPI": "gssapi"}
"""Of SASL, as AsyncAPI names them."""
FRAMED = {
    "schemaIdLocation": "payload",
    "schemaIdPayloadEncoding": "confluent",
    "schemaLookupStrategy": "TopicRecordNameStrategy",
}
"""Values with the id of their schema before them (publishing/kafka/registry.py)."""


def describe(messages: Messages) -> dict[str, Document]:
    kinds = sorted({event.stream_kind for event in messages.values()})
    return {
        "servers": _servers(),
        "channels": {f"{KAFKA}.{kind}": _channel(kind, messages) for kind in kinds},
        "operations": {f"{KAFKA}.{kind}.send": sending(f"{KAFKA}.{kind}") for kind in kinds},
        "messages": {named(KAFKA, name): _message(name, event) for name, event in messages.items()},
    }


def _servers() -> Document:
    """One for each address from which a client learns the others. Users and passwords are left out."""
    options = settings.STREAMS_KAFKA_OPTIONS
    protocol = str(options.get("security.protocol", "plaintext")).lower()
    scheme = SCHEMES.get(str(options.get("sasl.mechanism", options.get("sasl.mechanisms", ""))).upper())
    told: Document = {"protocol": "kafka-secure" if "ssl" in protocol else "kafka"}
    if "sasl" in protocol and scheme:
        told["security"] = [{"type": scheme}]
    if settings.STREAMS_KAFKA_SCHEMA_REGISTRY_URL:
        told["bindings"] = {KAFKA: _registry()}
    addresses = settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS.split(",")
    hosts = [address.strip().rpartition("://")[2] for address in addresses]
    return {
        (f"{KAFKA}-{number}" if number > 1 else KAFKA): {"host": host, **told} for number, host in enumerate(hosts, 1)
    }


def _registry() -> Document:
    """Without the user and the password."""
    url = urlsplit(settings.STREAMS_KAFKA_SCHEMA_REGISTRY_URL)
    address = urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
    return {"schemaRegistryUrl": address, "schemaRegistryVendor": "confluent", "bindingVersion": BINDING}


def _channel(kind: str, messages: Messages) -> Document:
    topic = topic_of(kind)
    names = {name: named(KAFKA, name) for name, event in messages.items() if event.stream_kind == kind}
    binding = {
        "topic": topic,
        "partitions": settings.STREAMS_KAFKA_PARTITIONS,
        "replicas": settings.STREAMS_KAFKA_REPLICATION,
        "bindingVersion": BINDING,
    }
    described = {
        "title": f"The topic of {kind}",
        "description": f"All streams `{kind}:<id>`. The key is the stream, so each is in one partition, in its order.",
        "bindings": {KAFKA: binding},
    }
    return channel(topic, list(_servers()), names, described)


def _message(name: str, event: type[Event]) -> Document:
    key = {"type": "string", "pattern": f"^{event.stream_kind}:", "description": "The stream"}
    framed = FRAMED if settings.STREAMS_KAFKA_SCHEMA_REGISTRY_URL else {}
    bindings = {KAFKA: {"key": key, **framed, "bindingVersion": BINDING}}
    if settings.STREAMS_KAFKA_MODE == "structured":
        headers = exactly({"content-type": {"const": STRUCTURED}} | trace())
        return message(name, event, headers=headers, bindings=bindings) | {
            "contentType": STRUCTURED,
            "payload": exactly(attributes(event) | {"datacontenttype": {"const": JSON}, "data": envelope(name)}),
            "correlationId": {"location": "$message.payload#/data/correlationId"},
        }
    headers = exactly({"content-type": {"const": JSON}} | attributes(event, "ce_") | trace())
    return message(name, event, headers=headers, bindings=bindings)
