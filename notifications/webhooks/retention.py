"""Forgetting old deliveries of webhooks, and webhooks that were deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from events.retention import days_ago, in_batches
from notifications import sql

SETTLED = timedelta(hours=1)
"""After as long nothing is under way any more that knew a deleted webhook."""


def prune() -> int:
    """Returns how many deliveries are gone, with their attempts."""
    before = days_ago(settings.RETENTION_WEBHOOKS)
    youngest = UUID(int=int(before.timestamp() * 1000) << 80)  # no delivery that was made later has a smaller id
    deleted_before = datetime.now(UTC) - SETTLED

    def delete_old(batch: int) -> int:
        return _delete(sql.OLD, {"youngest": youngest, "before": before, "limit": batch})

    def delete_of_deleted(batch: int) -> int:
        return _delete(sql.OF_DELETED, {"before": deleted_before, "limit": batch})

    gone = in_batches("webhook deliveries", delete_old) + in_batches("deleted webhooks", delete_of_deleted)
    sql.run(sql.DELETE_DELETED, {"before": deleted_before})
    return gone


def _delete(which: str, parameters: dict[str, object]) -> int:
    ids = [id_ for (id_,) in sql.run(which, parameters)]
    sql.run(sql.DELETE_ATTEMPTS, [ids])
    sql.run(sql.DELETE_DELIVERIES, [ids])
    return len(ids)
