"""The saga kernel's own Celery tasks."""

from celery import shared_task

from events.declare.ids import ids_of
from events.declare.queues import STREAMS
from events.declare.routing import assign
from sagas.engine.cohorts import decide_next
from sagas.engine.dispatch import DECIDE
from sagas.engine.retention import prune
from sagas.engine.sweep import sweep

assign(DECIDE, STREAMS)
assign("sagas.sweep", STREAMS)
assign("sagas.prune", STREAMS)


@shared_task(name=DECIDE, send_events=False)
def decide_task(run_ids: list[str]) -> None:
    """The body of a stage's chord: it only wakes the runs, their rows decide."""
    decide_next(ids_of(run_ids))


@shared_task(name="sagas.sweep")
def sweep_task() -> int:
    """Decides again for every run that is late. Returns for how many."""
    return sweep()


@shared_task(name="sagas.prune")
def prune_task() -> int:
    """Deletes runs that ended long ago; returns how many. Safe to run twice concurrently."""
    return prune()
