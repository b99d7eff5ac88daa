"""What Flower hears of messages that were sent: once a second, from a thread beside the work, and of many at once.

Celery tells of a message as soon as it is sent, and before whoever sent it goes on: a second round trip to the broker
for each, which every order waited for, and which woke Flower just when the order wanted the cores.
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
"""Seconds between two messages to Flower."""
TOGETHER = 200
"""Events in one of them."""
KEPT = 10_000
"""Events that wait for a broker which is away; older ones are forgotten, for nothing depends on them."""


class Events(CeleryEvents):
    """Named by the Celery application."""

    dispatcher_cls = f"{__name__}:Dispatcher"


class Dispatcher(EventDispatcher):
    """Celery's, but that what is told beside a message with that message's own producer waits for its turn."""

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
        _teller(os.getpid(), self.app).tell(base._prepare_event(type, fields, blind=blind, Event=Event))


class _Teller:
    """One for each process and application; its thread sleeps as long as there is nothing to tell."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._waiting: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._something = threading.Event()
        self._producer: Any = None

    def tell(self, event: dict[str, Any]) -> None:
        self._waiting.append(event)
        if not self._something.is_set():
            self._something.set()

    def run(self) -> None:
        while True:
            self._something.wait()
            time.sleep(EVERY)
            self._something.clear()
            while batch := [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]:
                if not (self._publish(batch) or self._publish(batch)):  # the connection may just be an old one
                    self._waiting.extendleft(reversed(batch))
                    self._something.set()
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
        except Exception as error:  # noqa: BLE001  whatever it is, a thread that ended would never tell anything again
            log.debug("Flower is told later", error=str(error))
            if self._producer:
                self._producer.connection.collect()  # it is not told, for that may be waited for in vain
            self._producer = None
            return False
        return True

    def _connected(self) -> Producer:
        """Of a connection of its own, on which RabbitMQ need not confirm."""
        connection: Any = self.app.connection_for_write()
        connection.transport_options.pop("confirm_publish", None)
        exchange = self.app.events.Dispatcher(connection, enabled=False).exchange
        return Producer(connection, exchange=exchange, serializer=self.app.conf.event_serializer)


@cache
def _teller(pid: int, app: Celery) -> _Teller:
    teller = _Teller(app)
    threading.Thread(target=teller.run, name="sent-events", daemon=True).start()
    return teller
