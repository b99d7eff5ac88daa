"""Detects a stuck worker: one that runs and answers but does not consume messages."""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from celery.worker.state import active_requests

from events.conf import event_settings
from events.declare.queues import declared_queues
from events.delivery.broker import depths
from events.liveness.heartbeat import touch

log = structlog.get_logger(__name__)

CHECK_EVERY = 1.0
"""Seconds between two checks."""
LOOP_LIMIT = 15.0
"""Seconds within which the consumer's loop must turn, unless a solo worker's task holds it."""
QUERY_EVERY = 10.0
"""Seconds between two queries of the queue depths while the worker is idle."""
NEGLECT = 60.0
"""Seconds for which messages may wait while an idle worker receives none."""


class Watchdog:
    """A thread beside the consumer that writes the heartbeat as long as the consumer is not stuck."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.name = consumer.hostname.partition("@")[0]
        self._turned = self._served = time.monotonic()
        self._asked = 0.0

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def loop_turned(self) -> None:
        """Call it on every turn of the consumer's loop."""
        self._turned = time.monotonic()

    def received(self) -> None:
        """Call it for every received message."""
        self._turned = self._served = time.monotonic()

    def _run(self) -> None:
        last = ""
        while True:
            time.sleep(CHECK_EVERY)
            problem = self.problem()
            if not problem:
                touch(self.name)
            elif problem != last:
                log.error("worker is stuck", worker=self.name, problem=problem)
            last = problem

    def problem(self) -> str:
        """What is wrong; empty if nothing is. An unreachable broker is not the worker's fault."""
        running = self._longest_running()
        if running > event_settings.WORKER_TASK_LIMIT:
            return "a task runs longer than WORKER_TASK_LIMIT"
        if running:
            self._turned = self._served = time.monotonic()
            return ""
        if self.consumer.connection is None:
            self.loop_turned()
            return ""
        if time.monotonic() - self._turned > LOOP_LIMIT:
            return "the consumer's loop does not turn"
        return "messages wait but the worker receives none" if self._neglects() else ""

    def _longest_running(self) -> float:
        """The age of the oldest running task, in seconds; 0 if no task runs."""
        try:
            began = [request.time_start for request in tuple(active_requests) if request.time_start]
        except RuntimeError:  # another thread changed the set meanwhile
            return CHECK_EVERY
        return max(time.time() - min(began), CHECK_EVERY) if began else 0.0

    def _neglects(self) -> bool:
        """Whether messages have waited too long. Asks the broker only while idle, at most every QUERY_EVERY seconds."""
        now = time.monotonic()
        if now - max(self._served, self._asked) > QUERY_EVERY:
            self._asked = now
            if not self._messages_wait():
                self._served = now
        return now - self._served > NEGLECT

    def _messages_wait(self) -> bool:
        app = self.consumer.app
        mine = [queue for queue in declared_queues() if queue in app.amqp.queues.consume_from]
        try:
            return any(depths(app, mine).values())
        except Exception as error:  # noqa: BLE001  a broker that fails is not this worker's fault
            log.warning("queue depths unavailable", error=str(error))
            return False
