"""Deletes expired rows: completed deliveries, dead messages and unused read-model builds. The log is never pruned.

Works in short transactions, each under an advisory lock that it tries but does not wait for, so that concurrent
runs do not block each other or anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from events.conf import event_settings
from events.db.query import execute
from events.declare.subscribers import Subscriber, subscribers
from events.delivery import sql
from events.models import DeadMessage, StoredEvent

BATCH = 500
MAX_RANGE = 10_000
"""Rows of one kind that one run deletes at most: about a second of work, so that other tasks need not wait longer."""


def in_batches(name: str, delete: Callable[[int], int]) -> int:
    """Calls `delete(BATCH)`, each time in its own transaction, and returns the number of deleted rows.

    Stops when `delete` finds fewer rows than a batch, another process holds the lock, or MAX_RANGE is reached.
    """
    gone = 0
    while gone < MAX_RANGE:
        with transaction.atomic():
            if not execute(sql.LOCK_PRUNING, [name])[0][0]:
                break
            deleted = delete(BATCH)
        gone += deleted
        if deleted < BATCH:
            break
    return gone


def prune() -> dict[str, int]:
    """Deletes expired rows of every kind; returns the number by kind. Safe to run concurrently.

    Deletes completed deliveries with their attempts, dead messages that were sent again or discarded, and builds of
    read models that are neither live nor under construction. Keeps dead and discarded deliveries.
    """
    return {
        "deliveries": in_batches("deliveries", _Deliveries(days_ago(event_settings.RETENTION_DELIVERIES)).delete),
        "replayed deliveries": in_batches("replayed deliveries", _replayed),
        "dead messages": in_batches("dead messages", _dead_messages),
        "read models": sum(in_batches(one.name, partial(_old_builds, one)) for one in subscribers() if one.read_model),
    }


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


class _Deliveries:
    """Finds old deliveries by their events' positions, which grow with time.

    An index on `done_at` would slow down every delivery. Each batch continues where the last one ended, so that it
    does not scan the index entries of deleted rows.
    """

    def __init__(self, before: datetime) -> None:
        self.before = before
        self.first, self.last = 0, _last_position(before)

    def delete(self, batch: int) -> int:
        parameters = {"first": self.first, "last": self.last, "before": self.before, "limit": batch}
        rows = execute(sql.OLD_DELIVERIES, parameters)
        ids = [id_ for id_, _ in rows]
        _delete_deliveries(ids)
        self.first = max((position for _, position in rows), default=self.first)
        return len(ids)


def _delete_deliveries(ids: list[int]) -> None:
    execute(sql.DELETE_ATTEMPTS, [ids])
    execute(sql.DELETE_DELIVERIES, [ids])


def _replayed(batch: int) -> int:
    rows = execute(sql.OLD_REPLAYED, {"before": days_ago(event_settings.RETENTION_DELIVERIES), "limit": batch})
    _delete_deliveries([id_ for (id_,) in rows])
    return len(rows)


def _old_builds(one: Subscriber, batch: int) -> int:
    """Deletes rows of builds that are over: replaced, failed or stopped ones."""
    model: Any = one.read_model
    for live, last, making in execute(sql.OLD_BUILDS, {"subscriber": one.name, "name": model._meta.label}):
        ended = (Q(build__lt=live) | Q(build__gt=live, build__lte=last)) & ~Q(build__in=making)
        ids = list(model.objects.filter(ended).values_list("pk", flat=True)[:batch])
        return int(model.objects.filter(pk__in=ids).delete()[0])
    return 0


def _last_position(before: datetime) -> int:
    """The position of the last event before this time: a binary search of about twenty primary-key lookups."""
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
    before = days_ago(event_settings.RETENTION_DEAD_MESSAGES)
    old = DeadMessage.objects.filter(Q(retried_at__lt=before) | Q(discarded_at__lt=before))
    return DeadMessage.objects.filter(id__in=list(old.values_list("id", flat=True)[:batch])).delete()[0]
