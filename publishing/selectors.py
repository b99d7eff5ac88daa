"""How far publishers are, for the command, the admin and the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from events.db.query import execute
from publishing import sql
from publishing.engine.brokers import configured
from publishing.models import Cursor, HeldStream


@dataclass(frozen=True)
class Lag:
    """What a cursor still has to publish: how many events, and the age of the oldest in seconds."""

    events: int
    seconds: float


def lag_of(cursor: Cursor) -> Lag:
    statement = sql.LAG_OF_ALL if cursor.slots == 1 else sql.LAG_OF_SLOT
    parameters = {"position": cursor.position, "until": cursor.until, "slot": cursor.slot, "slots": cursor.slots}
    count, seconds = execute(statement, parameters)[0]
    return Lag(count, max(seconds or 0.0, 0.0))


def share_of(cursor: Cursor) -> float:
    """The progress of a backfill from 0 to 1, by positions."""
    total = (cursor.until or cursor.position) - cursor.first
    return min(1.0, (cursor.position - cursor.first) / total) if total > 0 else 1.0


def held_counts() -> Counter[str]:
    """The number of held streams by publisher."""
    return Counter(HeldStream.objects.values_list("publisher", flat=True))


def not_started() -> list[str]:
    """Publishers that have an address and no cursor."""
    started = set(Cursor.objects.filter(backfill=False).values_list("publisher", flat=True))
    return [name for name in configured() if name not in started]
