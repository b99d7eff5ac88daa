"""The topics, one per aggregate kind. Retention and compaction are the broker's; partitions are only ever reported.

A topic with more partitions than before puts keys into others, so this never changes their number.
"""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.conf import settings

from events import ForeignEvent
from events.catalogue.markdown import installed

ANSWER_WITHIN = 10.0


def options() -> dict[str, Any]:
    """What connects a client: STREAMS_KAFKA_OPTIONS may add TLS and a user."""
    return {"bootstrap.servers": settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS, **settings.STREAMS_KAFKA_OPTIONS}


def topic_of(kind: str) -> str:
    return f"{settings.STREAMS_KAFKA_TOPIC_PREFIX}.{kind}"


def topics() -> list[str]:
    """The topics of all kinds of events that installed applications emit."""
    own = [event for event in installed() if not issubclass(event, ForeignEvent)]
    return [topic_of(kind) for kind in sorted({event.stream_kind for event in own})]


def create(*, dry_run: bool) -> list[str]:
    """Creates missing topics; returns a sentence for each that it created or that differs from the settings.

    Raises KafkaException if no broker answers.
    """
    client = AdminClient(options())
    found = client.list_topics(timeout=ANSWER_WITHIN).topics
    missing = [name for name in topics() if name not in found]
    said = [_difference(name, len(found[name].partitions)) for name in topics() if name in found]
    if not dry_run and missing:
        _create(client, missing)
    verb = "is missing" if dry_run else "was created"
    return [sentence for sentence in said if sentence] + [
        f"The topic {name} {verb}, with {settings.STREAMS_KAFKA_PARTITIONS} partitions." for name in missing
    ]


def _create(client: AdminClient, names: list[str]) -> None:
    new = [NewTopic(name, settings.STREAMS_KAFKA_PARTITIONS, settings.STREAMS_KAFKA_REPLICATION) for name in names]
    for created in client.create_topics(new, operation_timeout=ANSWER_WITHIN).values():
        created.result(ANSWER_WITHIN)


def _difference(name: str, partitions: int) -> str:
    if partitions == settings.STREAMS_KAFKA_PARTITIONS:
        return ""
    return (
        f"The topic {name} has {partitions} partitions, and STREAMS_KAFKA_PARTITIONS is"
        f" {settings.STREAMS_KAFKA_PARTITIONS}. Set it to {partitions}; with another number, keys change partitions."
    )
