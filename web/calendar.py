"""The calendar that Python and PostgreSQL can both compute with."""

from __future__ import annotations

from datetime import UTC, datetime

EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, tzinfo=UTC)
"""Far enough from the ends of the calendar for every offset of a time zone and every tolerance."""


def within_calendar(moment: datetime) -> datetime:
    """The moment, or the nearest one that can be computed with. Clients send 0001-01-01 for "from the beginning"."""
    return min(max(moment, EARLIEST), LATEST)
