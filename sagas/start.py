"""Starting runs, stopping them, and finding what is late."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.db import transaction

from events.context import context_of
from events.ids import fresh_ids, texts_of
from sagas import sql
from sagas.declare import Saga
from sagas.models import SagaRun
from sagas.plan import RunState
from sagas.settle import Move

SWEEP_BATCH = 500
SWEEP_ROUNDS = 20


def start(declared: type[Saga], subjects: Sequence[UUID], parts: Sequence[UUID] | None = None) -> list[UUID]:
    """Starts a run for each subject inside the caller's transaction; their first stage leaves after its commit.

    `parts` names what of each subject the run is for, where one subject may have several runs.
    """
    ids = fresh_ids(len(subjects))
    contexts = [context_of(subject) for subject in texts_of(subjects)]
    parameters = {
        "saga": declared.name,
        "steps": list(declared.first),
        "deadline": declared.deadline,
        "ids": ids,
        "subjects": list(subjects),
        "parts": [None] * len(ids) if parts is None else list(parts),
        "correlations": [context.correlation_id for context in contexts],
        "causations": [context.causation_id for context in contexts],
        "actors": [context.actor for context in contexts],
        "traces": [context.traceparent for context in contexts],
    }
    sql.run(sql.START, parameters)
    if ids:
        transaction.on_commit(partial(_set_going, Move(declared.name, declared.first, False, ids)))
    return ids


def _set_going(move: Move) -> None:
    from sagas.cohorts import Cohort, publish

    publish(move, [Cohort(move.saga, step, move.undo, move.run_ids) for step in move.steps])


def sweep() -> int:
    """Asks again for every run that is late; needs neither the broker's nor the result backend's memory.

    Any number of sweeps may run. Returns how many runs were late.
    """
    from sagas.cohorts import advance

    late = 0
    for _ in range(SWEEP_ROUNDS):
        ids = [run_id for (run_id,) in sql.run(sql.CLAIM_LATE, [SWEEP_BATCH])]
        advance(ids, late=True)
        late += len(ids)
        if len(ids) < SWEEP_BATCH:
            break
    return late


def hold(declared: type[Saga], subject: UUID) -> None:
    """Locks the subject's runs for the caller's transaction. To be called before its own row is locked.

    A step locks the subject's row while its run is locked; whoever will `abort` takes them in the same order.
    """
    list(SagaRun.objects.select_for_update(no_key=True).filter(saga=declared.name, subject=subject).order_by("id"))


def abort(declared: type[Saga], subject: UUID, *, code: str, reason: str) -> bool:
    """Asks a running saga to turn back. False if it has none running or is past its pivot.

    Must run inside a transaction; the sweep sets the compensation going.
    """
    run = (
        SagaRun.objects.select_for_update(no_key=True)
        .filter(saga=declared.name, subject=subject, state__in=[RunState.RUNNING, RunState.COMPENSATING])
        .first()
    )
    if run is None:
        return False
    begun = set(run.steps.values_list("name", flat=True))
    if any(step.pivot and step.name in begun for step in declared.steps.values()):
        return False
    sql.run(sql.ABORT, {"id": run.id, "code": code[:100], "reason": reason})
    return True
