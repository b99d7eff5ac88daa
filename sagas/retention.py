"""Forgetting runs that ended long ago; what they did is in the log."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from events.retention import days_ago, in_batches
from sagas import sql


def prune() -> int:
    """Returns how many runs are gone. What is stuck waits for a person."""
    before = days_ago(settings.RETENTION_SAGAS)
    youngest = UUID(int=int(before.timestamp() * 1000) << 80)  # no run that began later has a smaller id

    def delete(batch: int) -> int:
        ids = [run_id for (run_id,) in sql.run(sql.OLD_RUNS, {"before": before, "youngest": youngest, "limit": batch})]
        sql.run(sql.DELETE_STEPS, [ids])
        sql.run(sql.DELETE_RUNS, [ids])
        return len(ids)

    return in_batches("sagas", delete)
