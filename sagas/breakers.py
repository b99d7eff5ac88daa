"""Network steps and their breaker: what cannot be called now is put off without losing an attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction

from events.breaker import Permit, State
from sagas import sql
from sagas.actions import NetworkAction
from sagas.perform import expected_state
from sagas.settle import lock

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Permitted:
    """The runs that may call now."""

    permit: Permit
    run_ids: Sequence[UUID]


def permit(
    action: NetworkAction, step: str, undo: bool, run_ids: Sequence[UUID], *, lease: UUID | None = None
) -> Permitted:
    """Those without a permit are postponed, and lose the `lease` that they may have."""
    if action.breaker is None:
        return Permitted(Permit(len(run_ids), State.CLOSED), run_ids)
    permit = action.breaker.permit(len(run_ids))
    postpone(action, step, undo, run_ids[permit.granted :], seconds=permit.wait, lease=lease)
    return Permitted(permit, run_ids[: permit.granted])


def postpone(
    action: NetworkAction,
    step: str,
    undo: bool,
    run_ids: Sequence[UUID],
    *,
    seconds: float,
    lease: UUID | None = None,
) -> None:
    """The sweep asks again. `lease`: whose calls were made and do not count, since the server is away."""
    if not run_ids or action.breaker is None:
        return
    ids = list(run_ids)
    why = f"The server is away (breaker {action.breaker.name}): asked again later, no attempt is spent."
    parameters = {"ids": ids, "step": step, "state": expected_state(undo), "lease": lease, "seconds": seconds}
    with transaction.atomic():
        lock(ids)
        sql.run(sql.POSTPONE, {**parameters, "why": why})
    log.info("steps postponed", breaker=action.breaker.name, step=step, runs=len(ids), seconds=round(seconds, 1))
