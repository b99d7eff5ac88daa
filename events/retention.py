"""Forgetting what is over. The log never forgets; deliveries and attempts are only how it was worked off.

In short transactions, each under a lock that is tried and not waited for: two that prune at once take turns or let
each other be, and nothing is held up by either.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from events import sql
from events.models import DeadMessage, StoredEvent

BATCH = 500
MOST = 10_000
"""Rows of a kind that one run deletes: about a second's work, so that no queue waits longer for it."""


def in_batches(name: str, delete: Callable[[int], int]) -> int:
    """Calls `delete` with a number of rows until it finds fewer, another process is at the same, or a run has done
    enough. Returns how many rows are gone.
    """
    gone = 0
    while gone < MOST:
        with transaction.atomic():
            if not sql.run(sql.LOCK_PRUNING, [name])[0][0]:
                break
            deleted = delete(BATCH)
        gone += deleted
        if deleted < BATCH:
            break
    return gone


def prune() -> dict[str, int]:
    """Deliveries that are done, with their attempts, and dead messages that were sent again.

    What is dead waits for a person, what is discarded stays on record.
    """
    return {
        "deliveries": in_batches("deliveries", _Deliveries(days_ago(settings.RETENTION_DELIVERIES)).delete),
        "dead messages": in_batches("dead messages", _dead_messages),
    }


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


class _Deliveries:
    """Found by their events' positions, which grow with time: `done_at` has no index, for it would cost every delivery.

    Each batch goes on where the last one ended, instead of stepping over what that one deleted.
    """

    def __init__(self, before: datetime) -> None:
        self.before = before
        self.first, self.last = 0, _last_position(before)

    def delete(self, batch: int) -> int:
        parameters = {"first": self.first, "last": self.last, "before": self.before, "limit": batch}
        rows = sql.run(sql.OLD_DELIVERIES, parameters)
        ids = [id_ for id_, _ in rows]
        sql.run(sql.DELETE_ATTEMPTS, [ids])
        sql.run(sql.DELETE_DELIVERIES, [ids])
        self.first = max((position for _, position in rows), default=self.first)
        return len(ids)


def _last_position(before: datetime) -> int:
    """The last event's before this time, by halving: about twenty looks at the primary key."""
    low, high = 0, StoredEvent.objects.order_by("-position").values_list("position", flat=True).first() or 0
    while low < high:
        middle = (low + high + 1) // 2
        rows = StoredEvent.objects.filter(position__lte=middle).order_by("-position").values_list("time", flat=True)
        time = rows.first()
        if time is None or time < before:
            low = middle
        else:
            high = middle - 1
    return low


def _dead_messages(batch: int) -> int:
    old = DeadMessage.objects.filter(retried_at__lt=days_ago(settings.RETENTION_DEAD_MESSAGES))
    return DeadMessage.objects.filter(id__in=list(old.values_list("id", flat=True)[:batch])).delete()[0]
