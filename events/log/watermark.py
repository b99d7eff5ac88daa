"""How far the log can be read by position. Positions are assigned before the commit, so the end may have gaps."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from events.db.query import execute
from events.log import sql

CHECK_EVERY = 0.005
"""Seconds between two checks for open writers."""
SKEW = timedelta(minutes=5)
"""How far the clocks of appending processes may differ. Times are taken before positions, on several machines."""


def high_watermark(timeout: float) -> int | None:
    """A position up to which every transaction has ended; None if that takes longer than `timeout` seconds.

    Reads the last position first and the open writers second: any invisible event below that position belongs to
    one of these writers. Once they have ended, no event can be missing. Transactions that start later, or that do not
    append, are not waited for.
    """
    last: int = execute(sql.LAST, [])[0][0]
    return last if _writers_end(timeout) else None


def settled(after: int, limit: int, timeout: float) -> int:
    """A position behind `after` up to which the log is final, about `limit` events further; `after` if there is none.

    Positions without a gap are final. At a gap it waits for the writers that are open now: once they have ended, the
    missing positions never appear. If that takes longer than `timeout` seconds, it goes only as far as the gap.
    """
    last, before_gap = execute(sql.NEXT, {"after": after, "limit": limit})[0]
    if last is None:
        return after
    if last == before_gap or _writers_end(timeout):
        return int(last)
    return int(before_gap or after)


def _writers_end(timeout: float) -> bool:
    """Whether all transactions that have appended and are open now end within `timeout` seconds."""
    writers = _writers()
    deadline = time.monotonic() + timeout
    while writers:
        if time.monotonic() > deadline:
            return False
        time.sleep(CHECK_EVERY)
        writers &= _writers()
    return True


def _writers() -> set[str]:
    return {writer for (writer,) in execute(sql.WRITERS, [])}


def first_since(moment: datetime) -> int:
    """A position such that every event before it was recorded before `moment`, clock skew included."""
    rows = execute(sql.FIRST_SINCE, {"since": moment - SKEW})
    return int(rows[0][0]) if rows else 0
