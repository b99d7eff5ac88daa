"""Sends `task-sent` events to Flower in batches, once a second, from a background thread.

Celery publishes such an event right after each message, before the sender goes on. That is a second round trip to the
broker per message, and it wakes Flower just when the work needs the cores.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from functools import cache
from typing import Any

import structlog
from celery import Celery
from celery.app.events import Events as CeleryEvents
from celery.events import Event, EventDispatcher
from kombu import Producer

log = structlog.get_logger(__name__)

EVERY = 1.0
"""Seconds between two batches."""
BATCH = 200
"""Events per message."""
MAX_BUFFERED = 10_000
"""Events that are buffered while the broker is unreachable. The oldest are dropped; they are for monitoring only."""


class Events(CeleryEvents):
    """Passed to the Celery application as `events`."""

    dispatcher_cls = f"{__name__}:Dispatcher"


class Dispatcher(EventDispatcher):
    """Celery's dispatcher, except that it buffers events published with a message's producer."""

    app: Any

    def publish(
        self,
        type: str,
        fields: dict[str, Any],
        producer: Any,
        blind: bool = False,
        Event: Any = Event,  # noqa: N803  Celery's name for it
        **_: Any,
    ) -> None:
        base: Any = super()
        _sender(os.getpid(), self.app).add(base._prepare_event(type, fields, blind=blind, Event=Event))


class _Sender:
    """Buffers and sends events; one per process and application. Its thread sleeps while the buffer is empty."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_BUFFERED)
        self._not_empty = threading.Event()
        self._producer: Any = None

    def add(self, event: dict[str, Any]) -> None:
        self._waiting.append(event)
        if not self._not_empty.is_set():
            self._not_empty.set()

    def run(self) -> None:
        while True:
            self._not_empty.wait()
            time.sleep(EVERY)
            self._not_empty.clear()
            while batch := [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]:
                if not (self._publish(batch) or self._publish(batch)):  # the first failure may be a stale connection
                    self._waiting.extendleft(reversed(batch))
                    self._not_empty.set()
                    break

    def _publish(self, batch: list[dict[str, Any]]) -> bool:
        try:
            producer: Any = self._producer or self._connected()
            self._producer = producer
            producer.publish(
                batch,
                routing_key="task.multi",
                declare=[producer.exchange],
                headers={"hostname": batch[0]["hostname"]},
                delivery_mode=1,
            )
        except Exception as error:  # noqa: BLE001  any error must leave the thread running
            log.debug("events for Flower not sent; retrying", error=str(error))
            if self._producer:
                self._producer.connection.collect()  # dropped, not closed: the broker may never reply to a close
            self._producer = None
            return False
        return True

    def _connected(self) -> Producer:
        """A producer on its own connection, without publisher confirms."""
        connection: Any = self.app.connection_for_write()
        connection.transport_options.pop("confirm_publish", None)
        exchange = self.app.events.Dispatcher(connection, enabled=False).exchange
        return Producer(connection, exchange=exchange, serializer=self.app.conf.event_serializer)


@cache
def _sender(pid: int, app: Celery) -> _Sender:
    sender = _Sender(app)
    threading.Thread(target=sender.run, name="sent-events", daemon=True).start()
    return sender
