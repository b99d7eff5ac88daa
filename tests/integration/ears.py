"""Who hears what Flower would, and who sends what it hears of."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import Celery
from django.conf import settings

from orderproject.celery import app as ours

SUBSCRIBES_WITHIN = 0.2
OURS = "told."
"""What the names of our tasks begin with: others may send over the same broker."""


def sender(url: str) -> Celery:
    """As the project's application sends, into a queue that nobody serves."""
    app = Celery("sender", broker=url, events=ours.events_cls, set_as_current=False)
    app.conf.update(
        task_send_sent_event=True,
        task_publish_retry=False,
        task_default_queue="nobody",
        broker_transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
    )
    return app


def dispatcher(app: Any) -> Any:
    """By which Celery tells of what it sends."""
    return app.amqp._event_dispatcher


@contextmanager
def hearing(app: Celery) -> Iterator[Callable[[float, int], list[list[str]]]]:
    """Called, listens until so many names of tasks have come, in the groups in which they came, or the time is over."""
    groups: list[list[str]] = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection)
        receiver.on_event = None

        def receive(body: Any, message: Any) -> None:
            told = body if isinstance(body, list) else [body]
            if names := [name for one in told if (name := _told(one))]:
                groups.append(names)

        with receiver.consumer_context(wakeup=False) as (listening, _, (consumer,)):
            consumer.callbacks[:] = [receive]

            def heard(seconds: float, names: int) -> list[list[str]]:
                deadline = time.monotonic() + seconds
                while sum(map(len, groups)) < names and (left := deadline - time.monotonic()) > 0:
                    with suppress(TimeoutError):
                        listening.drain_events(timeout=left)
                return groups

            heard(SUBSCRIBES_WITHIN, 1)  # it subscribes when it first waits
            groups.clear()
            yield heard


def _told(event: dict[str, Any]) -> str:
    """The name of the task of ours that was sent; empty for whatever else there is to hear."""
    name = str(event.get("name") or "")
    return name if event["type"] == "task-sent" and name.startswith(OURS) else ""
