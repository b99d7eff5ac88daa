"""The process that receives: a thread for each broker that a source comes from."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from events.liveness.heartbeat import touch
from publishing.inbox.arrived import Lost, Reader
from publishing.inbox.intake import note, take

log = structlog.get_logger(__name__)

POLL = 1.0
"""Seconds that a turn waits for a message."""
LONGEST_PAUSE = 15.0
SILENT_AFTER = 30.0
"""Seconds without a turn after which a thread counts as stuck."""
BEAT = 1.0
HEARTBEAT = "receiver"


def configured() -> list[str]:
    """The brokers that some source comes from."""
    found = {
        "kafka": settings.INBOX_KAFKA_TOPICS and settings.INBOX_KAFKA_BOOTSTRAP_SERVERS,
        "rabbitmq": settings.INBOX_RABBITMQ_QUEUES and settings.INBOX_RABBITMQ_URL,
    }
    return [name for name, there in found.items() if there]


def reader(broker: str) -> Reader:
    """A new one, which has no connection yet. The client of the other broker is not loaded."""
    if broker == "kafka":
        from publishing.inbox.kafka import KafkaReader

        return KafkaReader()
    from publishing.inbox.rabbitmq import RabbitReader

    return RabbitReader()


def create(broker: str, *, dry_run: bool) -> list[str]:
    """Creates missing topics or queues; returns a sentence for each."""
    if broker == "kafka":
        from publishing.inbox import kafka

        return kafka.create(dry_run=dry_run)
    from publishing.inbox import rabbitmq

    return rabbitmq.create(dry_run=dry_run)


class Receiver:
    """Takes what one broker delivers. `run` ends after `stop`."""

    def __init__(self, of: Reader) -> None:
        self.reader = of
        self.stopping = threading.Event()
        self.seen = time.monotonic()
        """When the last turn began."""
        self._failures = 0
        self._noted = ""

    def run(self) -> None:
        log.info("receiver started", broker=self.reader.broker, sources=sorted(self.reader.sources))
        while not self.stopping.is_set():
            self.seen = time.monotonic()
            try:
                self.turn(POLL)
                self._failures = 0
            except (DatabaseError, InterfaceError) as error:
                log.warning("nothing received: PostgreSQL is unreachable", broker=self.reader.broker, error=str(error))
                self._pause()
            except Lost as error:
                log.warning("nothing received; it is tried again", broker=self.reader.broker, error=str(error))
                self._note(str(error))
                self._pause()
            finally:
                close_old_connections()
        self.reader.close()
        close_old_connections()

    def turn(self, seconds: float) -> int:
        """One batch: stores it, then confirms it to the broker; returns how many messages it had.

        Raises Lost and DatabaseError. Then the broker delivers it again, after `close`.
        """
        arrived = self.reader.fetch(seconds)
        if arrived:
            take(arrived)
            self._noted = ""  # which `take` has written
        else:
            self._note(self.reader.trouble())
        self.reader.confirm()
        return len(arrived)

    def _note(self, error: str) -> None:
        if error == self._noted:
            return
        try:
            note(self.reader.broker, self.reader.sources, error)
            self._noted = error
        except (DatabaseError, InterfaceError) as lost:
            log.warning("error not noted: PostgreSQL is unreachable", error=str(lost))

    def _pause(self) -> None:
        self.reader.close()
        self._failures += 1
        self.stopping.wait(min(0.5 * 2.0 ** min(self._failures, 6), LONGEST_PAUSE))

    def stop(self) -> None:
        self.stopping.set()


def run(brokers: Sequence[str], stopping: threading.Event) -> bool:
    """Receives until `stopping` is set; False if a thread ended before. All threads must move for a heartbeat."""
    receivers = [Receiver(reader(name)) for name in brokers]
    threads = [
        threading.Thread(target=partial(_guarded, one), name=f"receive-{one.reader.broker}") for one in receivers
    ]
    for thread in threads:
        thread.start()
    while not stopping.wait(BEAT):
        if not all(thread.is_alive() for thread in threads):
            break
        if all(time.monotonic() - one.seen < SILENT_AFTER for one in receivers):
            touch(HEARTBEAT)
    for one in receivers:
        one.stop()
    for thread in threads:
        thread.join()
    return stopping.is_set()


def _guarded(receiver: Receiver) -> None:
    """An unforeseen error ends the process, so that whatever supervises it starts it again."""
    try:
        receiver.run()
    except Exception:
        log.exception("receiver stopped by an unexpected error", broker=receiver.reader.broker)
