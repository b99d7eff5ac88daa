"""Forgetting what is over. The log never forgets; deliveries and attempts are only how it was worked off.

In short transactions, each under a lock that is tried and not waited for: two that prune at once take turns or let
each other be, and nothing is held up by either.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from events import sql
from events.models import DeadMessage, StoredEvent
from events.subscribers import Subscriber, subscribers

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
    """Deliveries that are done, with their attempts, and dead messages that were sent again or discarded.

    What is dead waits for a person, what is discarded stays on record. And builds of read models that no rebuild is
    making and nobody reads any more.
    """
    return {
        "deliveries": in_batches("deliveries", _Deliveries(days_ago(settings.RETENTION_DELIVERIES)).delete),
        "replayed deliveries": in_batches("replayed deliveries", _replayed),
        "dead messages": in_batches("dead messages", _dead_messages),
        "read models": sum(in_batches(one.name, partial(_old_builds, one)) for one in subscribers() if one.read_model),
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
        _delete_deliveries(ids)
        self.first = max((position for _, position in rows), default=self.first)
        return len(ids)


def _delete_deliveries(ids: list[int]) -> None:
    sql.run(sql.DELETE_ATTEMPTS, [ids])
    sql.run(sql.DELETE_DELIVERIES, [ids])


def _replayed(batch: int) -> int:
    rows = sql.run(sql.OLD_REPLAYED, {"before": days_ago(settings.RETENTION_DELIVERIES), "limit": batch})
    _delete_deliveries([id_ for (id_,) in rows])
    return len(rows)


def _old_builds(one: Subscriber, batch: int) -> int:
    """Rows of builds that ended before this moment: the swapped out, the failed, the stopped."""
    model: Any = one.read_model
    for live, last, making in sql.run(sql.OLD_BUILDS, {"subscriber": one.name, "name": model._meta.label}):
        ended = (Q(build__lt=live) | Q(build__gt=live, build__lte=last)) & ~Q(build__in=making)
        ids = list(model.objects.filter(ended).values_list("pk", flat=True)[:batch])
        return int(model.objects.filter(pk__in=ids).delete()[0])
    return 0


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
    before = days_ago(settings.RETENTION_DEAD_MESSAGES)
    old = DeadMessage.objects.filter(Q(retried_at__lt=before) | Q(discarded_at__lt=before))
    return DeadMessage.objects.filter(id__in=list(old.values_list("id", flat=True)[:batch])).delete()[0]
