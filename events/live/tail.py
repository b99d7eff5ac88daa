"""Reads the end of the log without missing events, although positions are assigned before the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from events.db.query import execute
from events.live import sql as live_sql
from events.live.threads import Threads
from events.log import sql as log_sql

PAGE = 1_000
"""Events per read."""
CHECK_EVERY = 0.005
"""Seconds between two checks whether a transaction has ended."""
WARN_AFTER = 10.0
"""Seconds after which a warning about an open transaction that has appended is logged."""

log = structlog.get_logger(__name__)
News = Sequence[tuple[int, str]]
"""Positions and streams of events, in the order of positions."""


class Tail:
    """Returns each event once, in the order of positions.

    Rows without a gap between them are returned immediately. A gap means a transaction that is still open or was
    rolled back. Then the tail waits for the open transactions that have appended (`sql.WRITERS`); once they have ended,
    the missing positions will never appear. Other open transactions delay nothing.
    """

    def __init__(self, threads: Threads) -> None:
        self.position = 0
        self._threads = threads

    async def start(self) -> None:
        """Moves to the current end of the log and waits until all transactions that wrote before it have ended."""
        last = await self._threads.run(_last)
        await self._writers_end()
        self.position = last

    async def news(self) -> News:
        """The final events after `position`; the same ones again until `passed` is called. Empty if there are none."""
        rows = await self._threads.run(_after, self.position)
        decided = _without_gap(rows, self.position)
        if rows and not decided:
            last = rows[-1][0]
            await self._writers_end()
            rows = await self._threads.run(_after, self.position)
            decided = [row for row in rows if row[0] <= last]
        return decided

    def passed(self, news: News) -> None:
        self.position = news[-1][0]

    async def _writers_end(self) -> None:
        began, warned = time.monotonic(), False
        writers = await self._threads.run(_writers)
        while writers:
            await asyncio.sleep(CHECK_EVERY)
            writers &= await self._threads.run(_writers)
            if not warned and time.monotonic() - began > WARN_AFTER:
                warned = True
                log.warning("live streams wait for a long transaction that has appended events", after=self.position)


def _without_gap(rows: News, position: int) -> News:
    for index, row in enumerate(rows, start=1):
        if row[0] != position + index:
            return rows[: index - 1]
    return rows


def _last() -> int:
    last: int = execute(log_sql.LAST, [])[0][0]
    return last


def _after(position: int) -> list[tuple[int, str]]:
    return [(place, stream) for place, stream in execute(live_sql.NEWS, [position, PAGE])]


def _writers() -> set[str]:
    return {writer for (writer,) in execute(log_sql.WRITERS, [])}
