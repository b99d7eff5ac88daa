"""Reads what lies in the broker's queues as plain (task, arguments), for tests that take messages apart."""

from dataclasses import dataclass
from typing import Any

from celery import Celery

from events.testing import Broker


@dataclass
class Mail:
    app: Celery

    def messages(self) -> list[tuple[str, list[Any]]]:
        """Takes all messages out: (task, args)."""
        return [(message.task, list(message.args)) for message in Broker(self.app).take()]

    def deliver(self) -> int:
        """Calls the tasks of all messages, and counts no parts of chords; returns how many there were."""
        messages = self.messages()
        for task, args in messages:
            self.app.tasks[task](*args)
        return len(messages)

    def purge(self) -> None:
        self.messages()
