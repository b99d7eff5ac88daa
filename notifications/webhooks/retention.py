"""Deletes old webhook deliveries and the rows of deleted webhooks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings

from events.db.query import execute
from events.declare.ids import first_id
from events.delivery.retention import days_ago, in_batches
from notifications import sql

DELETED_FOR = timedelta(hours=1)
"""How long a deleted webhook is kept. By then, no running transaction or call still uses it."""


def prune() -> int:
    """Deletes old rows in batches; returns the number of deleted deliveries. Safe to run concurrently."""
    before = days_ago(settings.RETENTION_WEBHOOKS)
    youngest = first_id(before.timestamp())
    deleted_before = datetime.now(UTC) - DELETED_FOR

    def delete_old(batch: int) -> int:
        return _delete(sql.OLD, {"youngest": youngest, "before": before, "limit": batch})

    def delete_of_deleted(batch: int) -> int:
        return _delete(sql.OF_DELETED, {"before": deleted_before, "limit": batch})

    gone = in_batches("webhook deliveries", delete_old) + in_batches("deleted webhooks", delete_of_deleted)
    execute(sql.DELETE_DELETED, {"before": deleted_before})
    return gone


def _delete(which: str, parameters: dict[str, object]) -> int:
    ids = [id_ for (id_,) in execute(which, parameters)]
    execute(sql.DELETE_ATTEMPTS, [ids])
    execute(sql.DELETE_DELIVERIES, [ids])
    return len(ids)
