"""Deletes runs that ended long ago; the log keeps what they did."""

from __future__ import annotations

from events.db.query import execute
from events.declare.ids import first_id
from events.delivery.retention import days_ago, in_batches
from sagas.conf import saga_settings
from sagas.engine import sql


def prune() -> int:
    """Returns the number of deleted runs. Stuck runs stay until a person has repaired them."""
    before = days_ago(saga_settings.RETENTION_SAGAS)
    youngest = first_id(before.timestamp())

    def delete(batch: int) -> int:
        ids = [run_id for (run_id,) in execute(sql.OLD_RUNS, {"before": before, "youngest": youngest, "limit": batch})]
        execute(sql.DELETE_STEPS, [ids])
        execute(sql.DELETE_RUNS, [ids])
        return len(ids)

    return in_batches("sagas", delete)
