"""Whether a worker gets on with its work. It may run and answer, and yet consume nothing."""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from celery.worker.state import active_requests
from django.conf import settings

from events import livez
from events.broker import depths
from events.heartbeat import beat
from events.queues import Queue

log = structlog.get_logger(__name__)

LOOK = 1.0
LOOP_LIMIT = 15.0
"""Seconds in which the consumer's loop must turn, unless the one task of a solo worker holds it."""
ASK = 10.0
NEGLECT = 60.0
"""Seconds for which messages may wait while an idle worker receives none."""


class Pulse:
    """A thread beside the consumer: it gives a sign of life as long as nothing says that the consumer is stuck."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.name = consumer.hostname.partition("@")[0]
        self._turned = self._served = time.monotonic()
        self._asked = 0.0

    def start(self) -> None:
        livez.serve(self.name)
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def turned(self) -> None:
        """The consumer's loop has turned."""
        self._turned = time.monotonic()

    def received(self) -> None:
        """A message has arrived."""
        self._turned = self._served = time.monotonic()

    def _run(self) -> None:
        complained = ""
        while True:
            time.sleep(LOOK)
            complaint = self.complaint()
            if not complaint:
                beat(self.name)
            elif complaint != complained:
                log.error("worker is stuck", worker=self.name, complaint=complaint)
            complained = complaint

    def complaint(self) -> str:
        """What is wrong; empty if nothing is. A broker that is away is not the worker's fault."""
        running = self._longest_running()
        if running > settings.WORKER_TASK_LIMIT:
            return "a task runs without end"
        if running:
            self._turned = self._served = time.monotonic()
            return ""
        if self.consumer.connection is None:
            self.turned()
            return ""
        if time.monotonic() - self._turned > LOOP_LIMIT:
            return "its loop does not turn"
        return "messages wait and it takes none" if self._neglects() else ""

    def _longest_running(self) -> float:
        """Seconds; 0 if no task runs."""
        try:
            began = [request.time_start for request in tuple(active_requests) if request.time_start]
        except RuntimeError:  # another thread began one at this instant
            return LOOK
        return max(time.time() - min(began), LOOK) if began else 0.0

    def _neglects(self) -> bool:
        """Asks the broker after some idle seconds, and then not often; empty queues need no service."""
        now = time.monotonic()
        if now - max(self._served, self._asked) > ASK:
            self._asked = now
            if not self._messages_wait():
                self._served = now
        return now - self._served > NEGLECT

    def _messages_wait(self) -> bool:
        app = self.consumer.app
        mine = [Queue(name) for name in app.amqp.queues.consume_from if name in set(Queue)]
        try:
            return any(depths(app, mine).values())
        except Exception as error:  # noqa: BLE001  the broker's silence is not this worker's
            log.warning("the broker does not say how much waits", error=str(error))
            return False
