"""The declared queues as kombu queues, for Celery's `task_queues`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kombu import Exchange, Queue

from events.declare.queues import declared_queues


class BrokerQueues:
    """A lazy sequence of queues. Celery reads it when it sends the first message or starts to consume.

    By then every service has declared its queue; when the settings are loaded, none has.
    """

    def __init__(self, arguments: dict[str, Any] | None = None) -> None:
        """`arguments`: RabbitMQ's arguments of each queue, such as `x-queue-type`."""
        self.arguments = arguments

    def __iter__(self) -> Iterator[Queue]:
        # Direct, so that messages are routed by queue name: bindings of other exchanges are keys that FLUSHALL deletes.
        exchange = Exchange("tasks", type="direct")
        for queue in declared_queues():
            yield Queue(str(queue), exchange, str(queue), queue_arguments=self.arguments)

    def __len__(self) -> int:
        return len(declared_queues())
