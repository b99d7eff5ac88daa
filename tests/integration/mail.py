"""Reads what lies in the broker's queues, as a worker would, without being one."""

from dataclasses import dataclass
from typing import Any

from celery import Celery

from events.queues import Queue


@dataclass
class Mail:
    app: Celery

    def messages(self) -> list[tuple[str, list[Any]]]:
        """Takes all messages out: (task, args)."""
        taken = []
        with self.app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            for queue in Queue:
                channel.queue_declare(str(queue))
                while (message := channel.basic_get(str(queue), no_ack=True)) is not None:
                    taken.append((message.headers["task"], message.payload[0]))
        return taken

    def deliver(self) -> int:
        """Runs all messages here and now; returns how many there were."""
        messages = self.messages()
        for task, args in messages:
            self.app.tasks[task](*args)
        return len(messages)

    def purge(self) -> None:
        self.messages()
