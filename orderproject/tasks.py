"""The periodic tasks of the project itself."""

from celery import shared_task

from events.declare.queues import STREAMS
from events.declare.routing import assign
from orderproject.accounts.forgetting import forget_again
from orderproject.operations.sampling import sample

FORGET_AGAIN = "accounts.forget_again"
SAMPLE = "operations.sample"

assign(FORGET_AGAIN, STREAMS)
assign(SAMPLE, STREAMS)


@shared_task(name=FORGET_AGAIN)
def forget_what_came_late() -> int:
    """Erases what came in after its customer was forgotten; returns for how many. Safe to run concurrently."""
    return forget_again()


@shared_task(name=SAMPLE)
def take_sample() -> bool:
    """Writes what was counted until now, for the operations page; returns whether it did. Safe to run concurrently."""
    return sample()
