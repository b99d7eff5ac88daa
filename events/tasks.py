"""The event kernel's own Celery tasks."""

from celery import shared_task

from events.queues import Queue
from events.retention import prune
from events.routing import assign

assign("events.prune", Queue.STREAMS)


@shared_task(name="events.prune")
def prune_task() -> None:
    """Forgets deliveries that are done for long. Safe to run twice at once."""
    prune()
