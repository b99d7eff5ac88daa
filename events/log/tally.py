"""Counts what the log tells: which events, and whatever services count of theirs. Each event exactly once.

The log is never pruned and knows everything that happened, so these counts cost the hot path nothing, and a process
that is killed loses none. Every process that counts tries at each turn; one of them gets the lock.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from events.db.query import execute
from events.declare import registry
from events.log.watermark import settled
from events.metrics import flush
from events.metrics.declare import Counter
from events.metrics.memory import Memory

LIMIT = 20_000
"""Events that are counted in one transaction."""
ROUNDS = 10
"""Transactions in one turn at most. The first turns of an old installation count its whole log."""
WAIT_FOR_WRITERS = 0.1
"""Seconds that a turn waits for open transactions before it stops at the first gap."""
FRESH = 4.0
"""Seconds after which the next process looks at the log again."""

APPENDED = Counter(
    "events_appended_total",
    "Events appended to the log.",
    ("type",),
    known=lambda: [(cls.type,) for cls in registry.newest_of_each()],
)

Count = Callable[[int, int, Memory], None]
"""Counts the events after a first and up to a last position into the memory."""

# Both in the same transaction as the counts. The lock is free again when that ends.
LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('events.tally', 0))"
POSITION = """
SELECT value::bigint, at > clock_timestamp() - make_interval(secs => %s) FROM events_measure
WHERE metric = 'events_tally' AND labels = '[]' AND part = 'position' AND process = ''
"""
MOVE = """
INSERT INTO events_measure (metric, labels, part, process, value, at)
VALUES ('events_tally', '[]', 'position', '', %s, clock_timestamp())
ON CONFLICT (metric, labels, part, process) DO UPDATE SET value = excluded.value, at = excluded.at
"""

# Plan: a range of the primary key.
BY_TYPE = """
SELECT type, count(*) FROM events_storedevent WHERE position > %s AND position <= %s GROUP BY type
"""

_counts: list[Count] = []


def tally(count: Count) -> Count:
    """Declares what else is counted of the log."""
    _counts.append(count)
    return count


@tally
def _by_type(after: int, until: int, into: Memory) -> None:
    for type_, number in execute(BY_TYPE, [after, until]):
        APPENDED.add(number, type_, into=into)


def position() -> tuple[int, bool]:
    """Up to where the log is counted, and whether somebody has looked at its end just now."""
    rows = execute(POSITION, [FRESH])
    return rows[0] if rows else (0, False)


@flush.each_turn
def count_log() -> None:
    """Counts what is new and final, in short transactions. Does nothing while another process does."""
    if not position()[1]:
        for _ in range(ROUNDS):
            if _count_next() < LIMIT:
                break


def _count_next() -> int:
    """Returns the number of positions by which it moved."""
    after = position()[0]
    until = settled(after, LIMIT, WAIT_FOR_WRITERS)
    with transaction.atomic():
        if not execute(LOCK, [])[0][0] or position()[0] != after:
            return 0
        memory = Memory()
        if until > after:
            for count in _counts:
                count(after, until, memory)
        flush.write(memory)
        execute(MOVE, [until])
    return until - after
