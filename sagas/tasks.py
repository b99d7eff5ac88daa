"""The saga kernel's own Celery tasks."""

from celery import shared_task

from events.ids import ids_of
from events.queues import Queue, served_here
from events.routing import assign
from sagas.cohorts import go_on_here
from sagas.retention import prune
from sagas.start import sweep

assign("sagas.settle", Queue.ORDERS)
assign("sagas.sweep", Queue.ORDERS)
assign("sagas.prune", Queue.STREAMS)


@shared_task(name="sagas.settle")
def settle_task(run_ids: list[str]) -> None:
    """The body of a stage's chord: it only wakes the runs, their rows decide."""
    go_on_here(ids_of(run_ids), served_here())


@shared_task(name="sagas.sweep")
def sweep_task() -> None:
    """Asks again for every run that is late."""
    sweep()


@shared_task(name="sagas.prune")
def prune_task() -> None:
    """Forgets runs that ended long ago. Safe to run twice at once."""
    prune()
