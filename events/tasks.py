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
def prune_task() -> int:
    """Deletes old completed deliveries and other expired rows; returns how many. Safe to run concurrently."""
    return sum(prune().values())


@shared_task(name=TASK)
def replay_task() -> int:
    """Runs a part of one replay, if one is due; returns 1 if the replay goes on. Safe to run concurrently."""
    if not continue_replay(TURN):
        return 0
    notify_replays()
    return 1
