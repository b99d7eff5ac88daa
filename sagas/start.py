"""Starting runs, and asking them to turn back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.db import transaction

from events.db.query import execute
from events.declare.ids import fresh_ids, texts_of
from events.log.context import context_of
from sagas.definition import Definition
from sagas.engine import sql
from sagas.engine.decide import Move
from sagas.engine.dispatch import publish
from sagas.models import SagaRun
from sagas.plan import RunState


def start(definition: Definition, subjects: Sequence[UUID], parts: Sequence[UUID] | None = None) -> list[UUID]:
    """Starts a run for each subject inside the caller's transaction; their first stage leaves after its commit.

    `parts` names what of each subject the run is for, where one subject may have several runs.
    """
    ids = fresh_ids(len(subjects))
    contexts = [context_of(subject) for subject in texts_of(subjects)]
    parameters = {
        "saga": definition.name,
        "steps": list(definition.first),
        "deadline": definition.deadline,
        "ids": ids,
        "subjects": list(subjects),
        "parts": [None] * len(ids) if parts is None else list(parts),
        "correlations": [context.correlation_id for context in contexts],
        "causations": [context.causation_id for context in contexts],
        "actors": [context.actor for context in contexts],
        "traces": [context.traceparent for context in contexts],
    }
    execute(sql.START, parameters)
    if ids:
        transaction.on_commit(partial(publish, Move(definition.name, definition.first, False, ids)))
    return ids


def lock_runs(definition: Definition, subject: UUID) -> None:
    """Locks the subject's runs for the caller's transaction. To be called before its own row is locked.

    A step locks the subject's row while its run is locked; a caller of `abort` takes them in the same order.
    """
    list(SagaRun.objects.select_for_update(no_key=True).filter(saga=definition.name, subject=subject).order_by("id"))


def abort(definition: Definition, subject: UUID, *, code: str, reason: str) -> bool:
    """Asks a running saga to turn back. False if none is running or it is past its pivot.

    Must run inside a transaction; the sweep sets the compensation going.
    """
    run = (
        SagaRun.objects.select_for_update(no_key=True)
        .filter(saga=definition.name, subject=subject, state__in=[RunState.RUNNING, RunState.COMPENSATING])
        .first()
    )
    if run is None or definition.has_begun_pivot(set(run.steps.values_list("name", flat=True))):
        return False
    execute(sql.ABORT, {"id": run.id, "code": code[:100], "reason": reason})
    return True
