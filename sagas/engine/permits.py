"""Network steps and their breaker: what cannot be called now is postponed without losing an attempt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction

from events.breakers.breaker import Permit, State
from events.db.query import execute
from sagas.engine import sql
from sagas.engine.runs import lock
from sagas.engine.steps import expected_state
from sagas.monitor import shown
from sagas.values import NetworkAction

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Permitted:
    """The runs that may call now."""

    permit: Permit
    run_ids: Sequence[UUID]


def ask(
    action: NetworkAction, step: str, undo: bool, run_ids: Sequence[UUID], *, lease: UUID | None = None
) -> Permitted:
    """Asks the breaker. Runs without a permit are postponed, and lose the `lease` that they may have."""
    if action.breaker is None:
        return Permitted(Permit(len(run_ids), State.CLOSED), run_ids)
    permit = action.breaker.permit(len(run_ids))
    postpone(action, step, undo, run_ids[permit.granted :], seconds=permit.wait, lease=lease)
    return Permitted(permit, run_ids[: permit.granted])


def return_unused(permitted: Permitted, action: NetworkAction) -> None:
    """No call was made, so a half-open breaker has its places for probes again."""
    if action.breaker:
        action.breaker.report(permitted.permit, 0, 0, unused=len(permitted.run_ids))


def postpone(
    action: NetworkAction,
    step: str,
    undo: bool,
    run_ids: Sequence[UUID],
    *,
    seconds: float,
    lease: UUID | None = None,
) -> None:
    """The sweep sends them again. `lease`: of calls that were made and do not count, since the server is down."""
    if not run_ids or action.breaker is None:
        return
    ids, began = list(run_ids), time.time()
    why = f"The breaker {action.breaker.name} is open: the server is down. Sent again later; no attempt is spent."
    parameters = {"ids": ids, "step": step, "state": expected_state(undo), "lease": lease, "seconds": seconds}
    with transaction.atomic():
        lock(ids)
        subjects = [subject for (subject,) in execute(sql.POSTPONE, {**parameters, "why": why})]
        shown.postponed(action, undo, subjects, f"the breaker {action.breaker.name} is open", began)
    log.info("steps postponed", breaker=action.breaker.name, step=step, runs=len(ids), seconds=round(seconds, 1))
