"""The process that publishes: a thread for each publisher, which wakes up when an event is appended."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from events.delivery.failures import summary_of
from events.delivery.wake import APPENDED
from events.liveness.heartbeat import touch
from publishing.engine import turn
from publishing.engine.brokers import publisher
from publishing.engine.cursors import LEASE, Held, LeaseLost, claim

log = structlog.get_logger(__name__)

LINGER = 0.05
"""Seconds to wait after a hint, so that one turn takes all events of an order and leaves it the processors."""
POLL = 1.0
"""Seconds between two looks when no hint arrives."""
CLAIM_EVERY = 2.0
"""Seconds between two looks for cursors that no process holds."""
COUNT_EVERY = 5.0
"""Seconds between two counts of unrouted messages."""
SILENT_AFTER = max(30.0, 2 * LEASE)
"""Seconds without a turn after which a thread counts as stuck. A turn takes at most two deadlines."""
BEAT = 1.0


class Runner:
    """Moves the cursors of one publisher on. `run` ends after `stop`, and gives the cursors back."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.seen = time.monotonic()
        """When the last turn began."""
        self._publisher = publisher(name)
        self._cursors: dict[int, Held] = {}
        self._claimed = self._counted = 0.0
        self._hints = _Hints()

    def run(self) -> None:
        log.info("publisher started", publisher=self.name)
        while not self.stopping.is_set():
            self.seen = time.monotonic()
            try:
                if not self.pump():
                    self._hints.wait(POLL)
            except (DatabaseError, InterfaceError) as error:
                log.warning("publisher waits: PostgreSQL is unreachable", publisher=self.name, error=str(error))
                self._cursors.clear()
                self.stopping.wait(POLL)
            finally:
                close_old_connections()
        self._leave()

    def pump(self) -> int:
        """One turn of each cursor, live ones first; returns how many positions and held streams it worked on."""
        if self._is_time(self._claimed, CLAIM_EVERY):
            self._claimed = time.monotonic()
            self._cursors |= {cursor.id: cursor for cursor in claim(self.name)}
        worked = 0
        for cursor in sorted(self._cursors.values(), key=lambda one: (one.backfill, one.slot)):
            if not self.stopping.is_set():
                worked += self._turn(cursor)
        return worked

    def _turn(self, cursor: Held) -> int:
        self.seen = time.monotonic()
        try:
            cursor.renew()
            if cursor.not_before > self.seen:
                return 0
            return self._work(cursor)
        except LeaseLost:
            log.warning("cursor taken over by another process", publisher=self.name, slot=cursor.slot)
            self._cursors.pop(cursor.id, None)
            self._publisher.close()  # whatever it still holds belongs to the other process now
        except turn.BrokerLost as error:
            cause = error.cause
            log.warning("nothing published; it is tried again", publisher=self.name, error=summary_of(cause))
            self._fail(cursor, cause)
        return 0

    def _work(self, cursor: Held) -> int:
        moved = turn.advance(self._publisher, cursor)
        if cursor.backfill:
            if cursor.until is not None and cursor.position >= cursor.until:
                cursor.finish()
                self._cursors.pop(cursor.id)
                log.info("backfill done", publisher=self.name, slot=cursor.slot)
            return moved
        tried = turn.retry_held(self._publisher, cursor)
        if self._is_time(self._counted, COUNT_EVERY):
            self._counted = time.monotonic()
            turn.note_unrouted(self._publisher, cursor)
        return moved + tried

    def _fail(self, cursor: Held, error: Exception) -> None:
        try:
            cursor.failed(error)
        except LeaseLost:
            self._cursors.pop(cursor.id, None)

    def _is_time(self, last: float, every: float) -> bool:
        return time.monotonic() - last >= every

    def stop(self) -> None:
        self.stopping.set()

    def _leave(self) -> None:
        try:
            for cursor in self._cursors.values():
                cursor.release()
        except (DatabaseError, InterfaceError) as error:
            log.warning("cursors not given back; their leases run out", publisher=self.name, error=str(error))
        self._publisher.close()
        close_old_connections()


class _Hints:
    """Waits for the hint that something was appended. Without Valkey it only sleeps."""

    def __init__(self) -> None:
        self._listening: Any = None

    def wait(self, seconds: float) -> None:
        try:
            if self._listening is None:
                client = redis.Redis.from_url(
                    settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=1, retry=None
                )
                self._listening = _listening(client)
            if self._listening.get_message(timeout=seconds) is not None:
                time.sleep(LINGER)
                while self._listening.get_message(timeout=0) is not None:
                    pass  # one look is enough for all hints that are already here
        except redis.RedisError:
            self._listening = None
            time.sleep(seconds)


def _listening(client: Any) -> Any:
    found = client.pubsub(ignore_subscribe_messages=True)
    found.subscribe(APPENDED)
    return found


def run(names: Sequence[str], stopping: threading.Event) -> bool:
    """Publishes until `stopping` is set; False if a thread ended before. All threads must move for a heartbeat."""
    runners = [Runner(name) for name in names]
    threads = [threading.Thread(target=partial(_guarded, one), name=f"publish-{one.name}") for one in runners]
    for thread in threads:
        thread.start()
    while not stopping.wait(BEAT):
        if not all(thread.is_alive() for thread in threads):
            break
        if all(time.monotonic() - one.seen < SILENT_AFTER for one in runners):
            touch("publisher")
    for one in runners:
        one.stop()
    for thread in threads:
        thread.join()
    return stopping.is_set()


def _guarded(runner: Runner) -> None:
    """An unexpected error ends the process, so that whatever supervises it starts it again."""
    try:
        runner.run()
    except Exception:
        log.exception("publisher stopped by an unexpected error", publisher=runner.name)
