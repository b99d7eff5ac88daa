"""Handing deliveries to a handler through its breaker: what cannot be tried now is postponed and loses no attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import structlog

from events.breakers.breaker import Breaker
from events.db.query import execute
from events.delivery import sql
from events.errors import Refused

log = structlog.get_logger(__name__)
Handle = Callable[[Sequence[int]], Mapping[int, Exception]]


def call_through_breaker(
    breaker: Breaker, lease: UUID, ids: Sequence[int], handle: Handle, postponed: list[int]
) -> Mapping[int, Exception]:
    """Calls `handle` with as many deliveries as the breaker permits; returns the failures that count as attempts.

    What the server's absence failed while the breaker is not closed is no attempt. It was sent, though, so it
    travels alone next time: a request that makes the server hang up must not look like an outage twice.
    """
    permit = breaker.permit(len(ids))
    ours, later = ids[: permit.granted], ids[permit.granted :]
    _postpone(breaker, lease, later, permit.wait, postponed, sent=False)
    if not ours:
        return {}
    try:
        failed = handle(ours)
    except Exception as error:
        calls = len(ours) if breaker.is_fault(error) else 0
        wait = breaker.report(permit, int(isinstance(error, Refused)), calls, quick=calls, unused=len(ours))
        if not calls or wait is None:
            raise
        _postpone(breaker, lease, ours, wait, postponed, sent=True)
        return {}
    faults = [id_ for id_, error in failed.items() if breaker.is_fault(error)]
    answered = len(ours) - len(failed) + sum(isinstance(error, Refused) for error in failed.values())
    wait = breaker.report(permit, answered, len(faults), quick=len(faults), unused=len(ours))
    if not faults or wait is None:
        return failed
    _postpone(breaker, lease, faults, wait, postponed, sent=True)
    return {id_: error for id_, error in failed.items() if id_ not in set(faults)}


def _postpone(
    breaker: Breaker, lease: UUID, ids: Sequence[int], seconds: float, postponed: list[int], *, sent: bool
) -> None:
    if not ids:
        return
    execute(sql.POSTPONE, {"ids": list(ids), "seconds": seconds, "lease": lease, "unsent": 0 if sent else 1})
    postponed.extend(ids)
    log.info("deliveries postponed", breaker=breaker.name, deliveries=len(ids), seconds=round(seconds, 1))
