"""The event kernel's own Celery tasks."""

from celery import shared_task

from events.queues import Queue
from events.replaying import TASK, go_on, hurry
from events.retention import prune
from events.routing import assign

assign("events.prune", Queue.STREAMS)
assign(TASK, Queue.STREAMS)
TURN = 0.25
"""Seconds after which a replay lets other work through: its worker may be the one that orders wait for."""


@shared_task(name="events.prune")
def prune_task() -> None:
    """Forgets deliveries that are done for long. Safe to run twice at once."""
    prune()


@shared_task(name=TASK)
def replay_task() -> None:
    """Goes on with a replay, if one is due. Safe to run twice at once."""
    if go_on(TURN):
        hurry()
