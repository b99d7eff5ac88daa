"""Who hears what Flower would, and who sends what it hears of."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import Celery
from django.conf import settings

from events.monitor.pieces import Kind, Outcome, Piece, Problem

SUBSCRIBES_WITHIN = 0.2
OURS = "told."
"""What the names of our work begin with: others may send over the same broker."""


def connected_to(url: str) -> Celery:
    """An application that reaches this broker as the project's does."""
    app = Celery("sender", broker=url, set_as_current=False)
    app.conf.update(task_publish_retry=False, broker_transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS)
    return app


def piece(name: str, *subjects: str, problem: Problem | None = None, count: int = 0, id_: str = "") -> Piece:
    """Work that ended now, for these subjects."""
    outcome = Outcome.RETRY if problem else Outcome.DONE
    now = time.time()
    return Piece(
        id_ or name, name, Kind.STEP, subjects, count or len(subjects), outcome, now - 0.1, now, problem=problem
    )


@contextmanager
def hearing(app: Celery) -> Iterator[Callable[[float, int], list[list[dict[str, Any]]]]]:
    """Called, listens until so many of our events have come, in the groups in which they came, or the time is over."""
    groups: list[list[dict[str, Any]]] = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection)
        receiver.on_event = None
        ours: set[str] = set()

        def receive(body: Any, message: Any) -> None:
            told = body if isinstance(body, list) else [body]
            ours.update(one["uuid"] for one in told if str(one.get("name") or "").startswith(OURS))
            if heard_now := [one for one in told if one.get("uuid") in ours]:
                groups.append(heard_now)

        with receiver.consumer_context(wakeup=False) as (listening, _, (consumer,)):
            consumer.callbacks[:] = [receive]

            def heard(seconds: float, events: int) -> list[list[dict[str, Any]]]:
                deadline = time.monotonic() + seconds
                while sum(map(len, groups)) < events and (left := deadline - time.monotonic()) > 0:
                    with suppress(TimeoutError):
                        listening.drain_events(timeout=left)
                return groups

            heard(SUBSCRIBES_WITHIN, 1)  # it subscribes when it first waits
            groups.clear()
            yield heard
