"""The worker's consumer. What Celery's own would lose, or die of, it keeps as a `DeadMessage`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import structlog
from celery.concurrency.thread import TaskPool as Threads
from celery.exceptions import WorkerTerminate
from celery.platforms import EX_FAILURE
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from vine import promise as vine_promise

from events import leases
from events.dead_messages import Corpse, from_message, keep
from events.dead_queue import DeadQueue
from events.models import DeadReason
from events.pulse import Pulse
from events.queues import serve

log = structlog.get_logger(__name__)

PAUSE = 2.0
"""Seconds until the next try to keep a message while PostgreSQL is away."""
SENSELESS = (KeyError, ValueError, TypeError, AttributeError)
"""What kombu and Celery raise over a message of the wrong shape. They list a KeyError among a connection's errors."""


class Consumer(CeleryConsumer):
    """Set as `worker_consumer`. A message is acknowledged after its row is committed."""

    connection_errors: tuple[type[Exception], ...]
    _flush_events: Callable[[], None]

    def __init__(self, *args: Any, **options: Any) -> None:
        options["app"].steps["consumer"].add(DeadQueue)
        super().__init__(*args, **options)
        self.pulse = Pulse(self)
        serve(self.app.amqp.queues.consume_from)  # before a pool forks

    def start(self) -> None:
        self.pulse.start()
        super().start()

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        hub.call_repeatedly(1.0, self._each_second)

    def _each_second(self) -> None:
        self.pulse.turned()
        self._flush_events()

    def on_send_event_buffered(self) -> Any:
        """Flower hears of tasks once a second, and of many at once; Celery would tell it before it goes on working."""

    def perform_pending_operations(self) -> None:
        """Each turn of the loop that serves brokers without an event loop."""
        self.pulse.turned()
        super().perform_pending_operations()

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        if connection.transport_cls in {"redis", "rediss"}:
            # What is no message at all never gets as far as the hooks below.
            connection.transport_cls = "events.redis_transport:Transport"
        return self.ensure_connected(connection)

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """For what Flower shows: nobody waits for it, and RabbitMQ confirms nothing while its memory is short."""
        connection: Any = self.app.connection_for_write(url=url, heartbeat=heartbeat)
        connection.transport_options.pop("confirm_publish", None)
        return self.ensure_connected(connection)

    def create_task_handler(self, promise: Any = vine_promise) -> Callable[[Any], None]:
        handle = super().create_task_handler(promise)

        def on_task_received(message: Any) -> None:
            self.pulse.received()
            try:
                handle(message)
            except SENSELESS as error:
                if message.acknowledged:
                    raise
                self.keep_message(message, DeadReason.MALFORMED, error)

        return on_task_received

    def cancel_active_requests(self) -> None:
        """The end of SIGTERM's patience. What runs must leave no answer: its message goes back to the broker."""
        try:
            super().cancel_active_requests()
        except NotImplementedError:
            # Only prefork can end a task. On a solo worker it runs right below this signal handler: this ends both.
            raise WorkerTerminate(EX_FAILURE) from None

    def shutdown(self) -> None:
        """The worker's last act: what it still does for anybody is handed back, and keeps nobody waiting.

        A thread of the pool cannot be ended. The interpreter would wait for it, long after its message has gone back.
        """
        self._flush_events()
        super().shutdown()
        leases.hand_back()
        at_once: Any = state.should_terminate
        if at_once is not None and isinstance(self.pool, Threads) and state.active_requests:
            logging.shutdown()
            os._exit(EX_FAILURE)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self.keep_message(message, DeadReason.UNDECODABLE, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self.keep_message(message, DeadReason.MALFORMED, "it names no task")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self.keep_message(message, DeadReason.UNKNOWN_TASK, "no code of this worker has the task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self.keep_message(message, DeadReason.MALFORMED, exc)

    def keep_message(self, message: Any, reason: DeadReason, error: object) -> None:
        corpse = from_message(message, reason, error)
        log.error("dead message", queue=corpse.queue, task=corpse.task, reason=str(reason), error=corpse.error)
        self._keep_or_wait(corpse, message)

    def _keep_or_wait(self, corpse: Corpse, message: Any) -> None:
        try:
            keep(corpse)
        except Exception as error:  # noqa: BLE001  whatever is wrong, the message must not be lost
            # Held and not given back: a quorum queue counts what is given back, and drops it in the end.
            log.warning("a dead message waits for PostgreSQL", error=str(error))
            self.pulse.received()  # a worker without its database is not stuck
            self.timer.call_after(PAUSE, self._keep_or_wait, (corpse, message))
            return
        message.ack_log_error(log, self.connection_errors)
