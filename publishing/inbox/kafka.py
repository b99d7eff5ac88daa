"""Reads topics as a member of a consumer group, and commits offsets by itself, after the rows are committed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.conf import settings

from events.declare import foreign
from publishing.inbox.arrived import Arrived, Lost, Reader, text

log = structlog.get_logger(__name__)

KAFKA = "kafka"
ANSWER_WITHIN = 10.0
CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # a new group misses nothing
    "isolation.level": "read_committed",
    "session.timeout.ms": 10_000,  # another process takes over from a killed one after this time
    "queued.max.messages.kbytes": 16_384,
    "logger": logging.getLogger(__name__),
    "log_level": 3,  # errors
}


def options() -> dict[str, Any]:
    """What connects a client: INBOX_KAFKA_OPTIONS may add TLS and a user."""
    return {"bootstrap.servers": settings.INBOX_KAFKA_BOOTSTRAP_SERVERS, **settings.INBOX_KAFKA_OPTIONS}


class KafkaReader(Reader):
    broker = KAFKA

    def __init__(self) -> None:
        self.sources = dict(settings.INBOX_KAFKA_TOPICS)
        self._source_of = {topic: source for source, topic in self.sources.items()}
        self._consumer: Consumer | None = None
        self._open: list[TopicPartition] = []
        """Behind the last message of each partition that is not confirmed."""
        self._note = ""

    def fetch(self, seconds: float) -> Sequence[Arrived]:
        consumer = self._ready()
        try:
            first = consumer.poll(seconds)
            rest = consumer.consume(settings.INBOX_BATCH - 1, 0) if first is not None else []
        except KafkaException as error:
            raise Lost(str(error)) from error
        messages = [first, *rest] if first is not None else []
        for message in messages:
            if (told := message.error()) is not None:
                raise Lost(f"{message.topic() or 'Kafka'}: {told.str()}")
        if messages:
            self._note = ""
        arrived = [self._arrived(message) for message in messages]
        ends = {(one.place, one.partition or 0): (one.offset or 0) + 1 for one in arrived}
        self._open = [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]
        return arrived

    def _arrived(self, message: Message) -> Arrived:
        topic = str(message.topic())
        headers: Any = message.headers() or []
        named = {name: text(value) for name, value in headers if value is not None}
        told = foreign.Message(
            body=bytes(message.value() or b""),
            headers=named,
            content_type=next((value for name, value in named.items() if name.lower() == "content-type"), ""),
            key=text(message.key() or b""),
        )
        return Arrived(self._source_of[topic], KAFKA, topic, told, message.partition(), message.offset())

    def confirm(self) -> None:
        """If the group has given a partition to another process meanwhile, that one finds by their ids what is here."""
        if self._consumer is None or not self._open:
            return
        try:
            self._consumer.commit(offsets=self._open, asynchronous=False)
        except KafkaException as error:
            log.warning("offsets not committed; the messages come again", error=str(error))
        self._open = []

    def _ready(self) -> Consumer:
        if self._consumer is None:
            group = {"group.id": settings.INBOX_KAFKA_GROUP, "error_cb": self._on_error}
            self._consumer = Consumer({**CONSUMER, **group, **options()})
            self._consumer.subscribe(list(self._source_of))
        return self._consumer

    def _on_error(self, error: KafkaError) -> None:
        self._note = error.str()

    def trouble(self) -> str:
        return self._note

    def close(self) -> None:
        consumer, self._consumer, self._open = self._consumer, None, []
        if consumer is not None:
            consumer.close()


def create(*, dry_run: bool) -> list[str]:
    """Creates missing topics; returns a sentence for each. Raises KafkaException if no broker answers."""
    client = AdminClient(options())
    found = client.list_topics(timeout=ANSWER_WITHIN).topics
    missing = sorted(set(settings.INBOX_KAFKA_TOPICS.values()) - set(found))
    if missing and not dry_run:
        new = [
            NewTopic(name, settings.STREAMS_KAFKA_PARTITIONS, settings.STREAMS_KAFKA_REPLICATION) for name in missing
        ]
        for created in client.create_topics(new, operation_timeout=ANSWER_WITHIN).values():
            created.result(ANSWER_WITHIN)
    return [f"The topic {name} {'is missing' if dry_run else 'was created'}." for name in missing]
