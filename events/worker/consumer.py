"""The worker's consumer. It stores messages that Celery would lose or crash on as `DeadMessage` rows."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import structlog
from celery.concurrency.thread import TaskPool as Threads
from celery.exceptions import WorkerTerminate
from celery.platforms import EX_FAILURE
from celery.signals import worker_process_init, worker_process_shutdown
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from vine import promise as vine_promise

from events.declare.queues import serve, served_here
from events.delivery import leases
from events.delivery.measures import LAST_CONSUMED
from events.metrics import flush, process
from events.models import DeadReason
from events.worker import carriers
from events.worker.dead_messages import RawMessage, from_message, keep
from events.worker.dead_queue import DeadQueue
from events.worker.periodic_tasks import PeriodicTasks
from events.worker.tasks_of_late import tasks_of_late
from events.worker.watchdog import Watchdog

log = structlog.get_logger(__name__)

# The children of a prefork pool count for themselves, and end without Python's own exit.
worker_process_init.connect(lambda **_: process.start("worker"), weak=False, dispatch_uid="events.metrics")
worker_process_shutdown.connect(lambda **_: flush.finish(), weak=False, dispatch_uid="events.metrics")

PAUSE = 2.0
"""Seconds between two attempts to store a message while PostgreSQL is down."""
MALFORMED_ERRORS = (KeyError, ValueError, TypeError, AttributeError)
"""What kombu and Celery raise for a malformed message. They would treat a KeyError as a connection error."""


class Consumer(CeleryConsumer):
    """Set as Celery's `worker_consumer`. Acknowledges a dead message only after its row is committed."""

    connection_errors: tuple[type[Exception], ...]
    _flush_events: Callable[[], None]

    def __init__(self, *args: Any, **options: Any) -> None:
        options["app"].steps["consumer"].add(DeadQueue)
        super().__init__(*args, **options)
        self.watchdog = Watchdog(self)
        serve(self.app.amqp.queues.consume_from)  # before a pool forks
        periodic = {entry["task"] for entry in PeriodicTasks().values()}
        self.flower = carriers.install(self.app, self.hostname, periodic)

    def start(self) -> None:
        self.watchdog.start()
        process.start("worker", name=self.hostname, serves=sorted(served_here()), doing=tasks_of_late())
        super().start()

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        hub.call_repeatedly(1.0, self._each_second)

    def _each_second(self) -> None:
        self.watchdog.loop_turned()
        self._flush_events()

    def on_send_event_buffered(self) -> Any:
        """Does nothing, so that `_each_second` sends the events for Flower in batches. Celery would send each one."""

    def perform_pending_operations(self) -> None:
        """Called on each turn of the loop for brokers without an event loop."""
        self.watchdog.loop_turned()
        super().perform_pending_operations()

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        if connection.transport_cls in {"redis", "rediss"}:
            # An item that is not a message at all never reaches the hooks below; this transport stores it.
            connection.transport_cls = "events.worker.redis_transport:Transport"
        return self.ensure_connected(connection)

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """The connection for monitoring events, without publisher confirms: RabbitMQ delays them if short of memory."""
        connection: Any = self.app.connection_for_write(url=url, heartbeat=heartbeat)
        connection.transport_options.pop("confirm_publish", None)
        return self.ensure_connected(connection)

    def create_task_handler(self, promise: Any = vine_promise) -> Callable[[Any], None]:
        handle = super().create_task_handler(promise)

        served = {str(queue) for queue in self.app.amqp.queues.consume_from}

        def on_task_received(message: Any) -> None:
            self.watchdog.received()
            if (queue := message.delivery_info.get("routing_key")) in served:
                LAST_CONSUMED.now(queue)
            try:
                handle(message)
            except MALFORMED_ERRORS as error:
                if message.acknowledged:
                    raise
                self.keep_message(message, DeadReason.MALFORMED, error)

        return on_task_received

    def cancel_active_requests(self) -> None:
        """Ends running tasks when the soft shutdown times out; their messages go back to the broker."""
        try:
            super().cancel_active_requests()
        except NotImplementedError:
            # Only prefork can end a task. A solo worker's task runs below this signal handler, so this ends both.
            raise WorkerTerminate(EX_FAILURE) from None

    def shutdown(self) -> None:
        """The worker's last act: it releases all leases, so that other workers can take them.

        A thread of the pool cannot be ended, and the interpreter would wait for it although its message is already
        back in the queue. So a worker with a threads pool exits hard if tasks are still running.
        """
        self._flush_events()
        self.flower.stop()
        super().shutdown()
        leases.release_all()
        flush.finish()
        at_once: Any = state.should_terminate
        if at_once is not None and isinstance(self.pool, Threads) and state.active_requests:
            logging.shutdown()
            os._exit(EX_FAILURE)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self.keep_message(message, DeadReason.UNDECODABLE, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self.keep_message(message, DeadReason.MALFORMED, "the message names no task")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self.keep_message(message, DeadReason.UNKNOWN_TASK, "this worker's code has no such task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self.keep_message(message, DeadReason.MALFORMED, exc)

    def keep_message(self, message: Any, reason: DeadReason, error: object) -> None:
        raw = from_message(message, reason, error)
        log.error("dead message", queue=raw.queue, task=raw.task, reason=str(reason), error=raw.error)
        self._keep_or_wait(raw, message)

    def _keep_or_wait(self, raw: RawMessage, message: Any) -> None:
        try:
            keep(raw)
        except Exception as error:  # noqa: BLE001  whatever is wrong, the message must not be lost
            # Held and not requeued: a quorum queue counts how often a message is requeued, and drops it in the end.
            log.warning("a dead message waits for PostgreSQL", error=str(error))
            self.watchdog.received()  # a worker without its database is not stuck
            self.timer.call_after(PAUSE, self._keep_or_wait, (raw, message))
            return
        message.ack_log_error(log, self.connection_errors)
