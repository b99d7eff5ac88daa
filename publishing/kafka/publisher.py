"""Publishes records to Kafka with an idempotent producer. A record is done only by its own report.

The producer never gives up by itself, so it never sends a later record of a key after an earlier one has failed: at our
deadline everything that waits or is under way is purged, and the producer is dropped (docs/decisions/0055).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

from events.declare.codec import encode_json
from publishing.engine.publisher import Outcome, Publisher
from publishing.engine.records import JSON, Record, fixed_attributes, own_attributes
from publishing.kafka.topics import options, topic_of

Headers = list[tuple[str, str | bytes | None]]
Frame = Callable[[str, str, str], bytes]
"""By topic, type and version, what stands before the value. Raises Unframed."""
STRUCTURED = "application/cloudevents+json"
TURN = 0.05
"""Seconds to wait for reports in one poll."""
POLL_EVERY = 200
"""Records between two looks for reports while producing."""
OF_THE_RECORD = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
    }
)
"""Errors that a record, or one of its batch, is the cause of; all others are the broker's."""
OF_ANOTHER = frozenset(
    {
        KafkaError._FATAL,
        KafkaError._GAPLESS_GUARANTEE,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
    }
)
"""Errors of records that may have arrived or not, because the producer ended over another one."""
LAST_WITHIN = 1.0
"""Seconds to wait for the reports of a producer that has ended."""

PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,  # after a failed batch nothing follows
    "message.timeout.ms": 0,  # only our deadline ends an attempt, and then for all records
    "partitioner": "murmur2_random",  # as the clients for Java and Node choose, so that topics can be joined
    "linger.ms": 2,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 20_000,
    "logger": logging.getLogger(__name__),
    "log_level": 3,  # errors
}


class Unreported(Exception):
    """Kafka reported too late. The producer was dropped, and what is open is published again."""


class Unframed(Exception):
    """The schema registry does not say what stands before a value. Nothing is published until it does."""


class _Batch:
    """The records of one call, and what has been reported of them."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self.open: set[int] = set()
        """The positions of those whose report has not come."""
        self.failed: set[str] = set()
        """The streams of which nothing more is sent."""
        self.fatal: Exception | None = None
        """Why the producer has ended. With `enable.gapless.guarantee`, each record that fails for good ends it."""

    @property
    def over(self) -> bool:
        return self.outcome.lost is not None or self.fatal is not None

    def poll(self, producer: Producer, seconds: float) -> None:
        """Takes reports. A fatal error raises here, whatever is asked of the producer."""
        try:
            producer.poll(seconds)
        except KafkaException as error:
            self.fatal = error

    def report_of(self, record: Record) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, _: Message) -> None:
            self.open.discard(record.position)
            if error is None:
                self.outcome.confirmed.add(record.position)
            else:
                self.fail(record, error)

        return report

    def fail(self, record: Record, error: KafkaError) -> None:
        self.failed.add(record.stream)
        if error.code() in OF_THE_RECORD:
            self.outcome.refused[record.position] = KafkaException(error)
        elif error.code() not in OF_ANOTHER and self.outcome.lost is None:
            self.outcome.lost = KafkaException(error)


class KafkaPublisher(Publisher):
    name = "kafka"

    def __init__(self, frame: Frame | None = None) -> None:
        """With `frame`, consumers find each value behind it."""
        self._frame = frame
        self._producer: Producer | None = None
        self._note = ""
        """The last error of the connection, which explains why no report comes."""

    def publish(self, records: Sequence[Record], seconds: float) -> Outcome:
        deadline = time.monotonic() + seconds
        try:
            frames = _frames(self._frame, records, deadline) if self._frame else {}
        except Unframed as error:
            return Outcome(lost=error)
        batch, producer = _Batch(), self._ready()
        for number, record in enumerate(records, start=1):
            if batch.over or time.monotonic() > deadline:
                break
            if record.stream not in batch.failed:
                _produce(
                    producer,
                    record,
                    batch,
                    deadline,
                    frames[record.kind, record.type, record.version] if frames else b"",
                )
            if number % POLL_EVERY == 0:
                batch.poll(producer, 0)
        while batch.open and not batch.over and time.monotonic() < deadline:
            batch.poll(producer, TURN)
        if batch.fatal:
            _last_reports(producer, batch)
        outcome = batch.outcome
        if outcome.lost is None:
            outcome.lost = self._why_open(batch, seconds)
        if outcome.lost or outcome.refused:
            self.close()
        return outcome

    def _why_open(self, batch: _Batch, seconds: float) -> Exception | None:
        """Why there is no report of some records; None if a refused one is the cause, or if nothing is open."""
        if batch.fatal:
            return None if batch.outcome.refused else batch.fatal
        if not batch.open:
            return None
        why = self._note or "see whether it is up and can be reached"
        return Unreported(f"Kafka left {len(batch.open)} records unreported for {seconds:g} s: {why}")

    def _ready(self) -> Producer:
        """One that was made in this process, because its threads do not survive a fork."""
        if self._producer is None:
            self._note = ""
            self._producer = Producer({**PRODUCER, **options(), "error_cb": self._on_error})
        return self._producer

    def _on_error(self, error: KafkaError) -> None:
        self._note = error.str()

    def close(self) -> None:
        """Nothing that is still in its queue is sent afterwards."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(
                KafkaException
            ):  # purging a batch in flight is a fatal error of this producer, which ends here
                producer.purge(in_queue=True, in_flight=True, blocking=False)
                producer.flush(0)


def _last_reports(producer: Producer, batch: _Batch) -> None:
    """Takes what a producer that has ended still reports: which record was the cause, and which had arrived."""
    with suppress(KafkaException):
        producer.purge(in_queue=True, in_flight=False, blocking=False)
    until = time.monotonic() + LAST_WITHIN
    while batch.open and time.monotonic() < until:
        batch.poll(producer, TURN)


def _frames(frame: Frame, records: Sequence[Record], deadline: float) -> dict[tuple[str, str, str], bytes]:
    """What stands before the values, by kind, type and version. Raises Unframed, before anything is produced."""
    found: dict[tuple[str, str, str], bytes] = {}
    for key in {(record.kind, record.type, record.version) for record in records}:
        if time.monotonic() > deadline:
            raise Unframed(
                "The schema registry answers too slowly. What it has answered is kept, and the rest is asked again."
            )
        kind, type, version = key
        found[key] = frame(topic_of(kind), type, version)
    return found


def _produce(producer: Producer, record: Record, batch: _Batch, deadline: float, frame: bytes) -> None:
    """Queues a record, unless it is refused immediately or the queue stays full until the deadline."""
    key, value, headers = message_of(record)
    value = frame + value
    topic, report = topic_of(record.kind), batch.report_of(record)
    while time.monotonic() < deadline and not batch.over:
        try:
            producer.produce(topic, value=value, key=key, headers=headers, on_delivery=report)
        except BufferError:  # back-pressure: reports make room
            batch.poll(producer, TURN)
        except KafkaException as error:
            batch.fail(record, error.args[0])
            return
        else:
            batch.open.add(record.position)
            return
    batch.failed.add(record.stream)


def message_of(record: Record) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers, by the Kafka binding of CloudEvents. The value is never empty: that is a tombstone."""
    own = own_attributes(record)
    trace: Headers = [("traceparent", record.traceparent.encode())] if record.traceparent else []
    if settings.STREAMS_KAFKA_MODE == "structured":
        fixed = fixed_attributes(record.type, record.version, record.source)
        event = {**fixed, **own, "datacontenttype": JSON, "data": msgspec.Raw(record.body)}
        return record.stream.encode(), encode_json(event), [("content-type", STRUCTURED.encode()), *trace]
    headers: Headers = [(f"ce_{name}", value.encode()) for name, value in own.items()]
    headers += _fixed_headers(record.type, record.version, record.source)
    return record.stream.encode(), record.body, headers + trace


@lru_cache(maxsize=1000)
def _fixed_headers(type: str, version: str, source: str) -> Headers:
    fixed = fixed_attributes(type, version, source)
    return [("content-type", JSON.encode()), *((f"ce_{name}", value.encode()) for name, value in fixed.items())]
