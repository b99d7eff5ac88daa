"""The inbox in the AsyncAPI document: the topics and queues that foreign events are received from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.conf import settings
from kombu.utils.url import parse_url

from events import Event, ForeignEvent
from events.declare.foreign import translator
from publishing.engine.messages import Document, Messages, channel
from publishing.engine.records import JSON
from publishing.inbox.receiver import configured

SCHEMAS = "#/components/schemas/{name}"


def describe(messages: Messages) -> dict[str, Document]:
    """Servers, channels, operations and messages of what is configured."""
    found: dict[str, Document] = {"servers": {}, "channels": {}, "operations": {}, "messages": {}}
    for broker in configured():
        found["servers"][f"inbox-{broker}"] = SERVERS[broker]()
        for source, place in sorted(PLACES[broker]().items()):
            foreign = {name: event for name, event in messages.items() if _comes_from(event, source)}
            name = f"inbox.{broker}.{source}"
            names = {one: f"{name}.{one}" for one in foreign}
            found["channels"][name] = channel(place, [f"inbox-{broker}"], names, _told(source))
            found["operations"][f"{name}.receive"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": f"Events of {source} become events of the log, each once by its source and id.",
            }
            found["messages"] |= {names[one]: _message(event) for one, event in foreign.items()}
    return found


def _comes_from(event: type[Event], source: str) -> bool:
    return issubclass(event, ForeignEvent) and event.origin == source


def _told(source: str) -> Document:
    also = " Other messages are translated by a function of ours." if translator(source) else ""
    return {
        "title": f"Events of {source}",
        "description": f"CloudEvents 1.0 in JSON, in binary or structured mode.{also}",
    }


def _message(event: type[Event]) -> Document:
    """In binary mode."""
    (payload,), _ = msgspec.json.schema_components([event], ref_template=SCHEMAS)
    foreign_type: Any = getattr(event, "foreign_type", event.type)
    return {
        "name": foreign_type,
        "title": f"{event.type} {event.version}",
        "summary": event.__doc__ or event.type,
        "contentType": JSON,
        "payload": payload,
    }


def _kafka_server() -> Document:
    """Without user and password."""
    protocol = str(settings.INBOX_KAFKA_OPTIONS.get("security.protocol", "plaintext")).lower()
    first = settings.INBOX_KAFKA_BOOTSTRAP_SERVERS.split(",")[0].strip()
    return {"host": first.rpartition("://")[2], "protocol": "kafka-secure" if "ssl" in protocol else "kafka"}


def _rabbitmq_server() -> Document:
    """Without user and password."""
    at: Mapping[str, Any] = parse_url(settings.INBOX_RABBITMQ_URL)
    protocol = at["transport"]
    port = at["port"] or (5671 if protocol == "amqps" else 5672)
    return {"host": f"{at['hostname']}:{port}", "protocol": protocol, "protocolVersion": "0.9.1"}


SERVERS = {"kafka": _kafka_server, "rabbitmq": _rabbitmq_server}
PLACES = {"kafka": lambda: settings.INBOX_KAFKA_TOPICS, "rabbitmq": lambda: settings.INBOX_RABBITMQ_QUEUES}
