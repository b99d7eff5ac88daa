"""The event kernel's own Celery tasks."""

from celery import shared_task

from events.declare.queues import STREAMS
from events.declare.routing import assign
from events.delivery.retention import prune
from events.replay.replays import TASK, notify_replays
from events.replay.runner import continue_replay

assign("events.prune", STREAMS)
assign(TASK, STREAMS)
TURN = 0.25
"""Seconds after which a replay lets other work through: its worker may be the one that other work waits for."""


@shared_task(name="events.prune")
def prune_task() -> None:
    """Deletes old completed deliveries and other expired rows. Safe to run concurrently."""
    prune()


@shared_task(name=TASK)
def replay_task() -> None:
    """Runs a part of one replay, if one is due. Safe to run concurrently."""
    if continue_replay(TURN):
        notify_replays()
