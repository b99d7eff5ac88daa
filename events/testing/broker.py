"""Takes messages out of the broker's queues and runs their tasks in this process, as a worker would."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery, current_app, states
from celery.app.trace import build_tracer
from kombu.utils.encoding import safe_repr

from events.declare.queues import Queue, declared_queues

HOSTNAME = f"test@{socket.gethostname()}"
"""What tasks see as the name of their worker."""


class TaskFailed(Exception):
    """A Celery task raised an exception, or no task of this name is declared. `__cause__` is what it raised."""


@dataclass(frozen=True)
class Message:
    """A task message that was taken out of its queue. No worker receives it any more."""

    app: Celery
    queue: Queue
    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    request: Mapping[str, Any]
    """The message's headers and what Celery embeds in its body: the id, the chord, the callbacks."""

    def run(self) -> None:
        """Runs the task with Celery's own tracer, so that links and chords go on. Raises TaskFailed."""
        task = self.app.tasks.get(self.task)
        if task is None:
            raise TaskFailed(f"no task {self.task!r} is declared: import the module that declares it")
        id_ = self.request["id"]
        request = {**self.request, "hostname": HOSTNAME, "is_eager": False, "delivery_info": {}}
        trace = build_tracer(self.task, task, app=self.app, hostname=HOSTNAME)
        _, info, _, _ = trace(id_, list(self.args), dict(self.kwargs), request)
        if info is not None and info.state == states.FAILURE:
            error: BaseException = info.retval
            raise TaskFailed(f"the task {self.task} raised {safe_repr(error)}; its arguments: {self.args}") from error


class Broker:
    """The queues of the application's real broker."""

    def __init__(self, app: Celery | None = None) -> None:
        """`app`: the Celery application; by default the current one."""
        self.app: Celery = app or current_app

    def take(self) -> list[Message]:
        """Takes all messages out of all declared queues, queue by queue, in the order in which each was filled."""
        with self.app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            return [message for queue in declared_queues() for message in self._take(channel, queue)]

    def _take(self, channel: Any, queue: Queue) -> Iterator[Message]:
        declared = self.app.amqp.queues[str(queue)](channel)
        declared.declare()
        while (message := declared.get(no_ack=True, accept=self.app.conf.accept_content)) is not None:
            args, kwargs, embedded = message.payload
            request = {**message.headers, **(embedded or {})}
            yield Message(self.app, queue, message.headers["task"], args, kwargs, request)

    def empty(self) -> None:
        """Drops all messages."""
        self.take()
