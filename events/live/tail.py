"""The end of the log, read so that nothing is missed although positions are handed out before the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from events import sql
from events.live import sql as live_sql
from events.live.threads import Threads

PAGE = 1_000
GLANCE = 0.005
"""Seconds between two looks at whether a transaction has ended."""
LONG = 10.0
"""Seconds after which an open transaction that appended is worth a line in the log."""

log = structlog.get_logger(__name__)
News = Sequence[tuple[int, str]]
"""Position and stream of events, in the order of positions."""


class Tail:
    """Gives out each event once and in the order of positions.

    Rows that follow each other without a gap are given out at once. A gap is a transaction that has not ended, or one
    that was rolled back. Then whoever has appended and is still open is waited for (`sql.WRITERS`): when they have
    ended, what is missing will never come. Other open transactions hold nothing back.
    """

    def __init__(self, threads: Threads) -> None:
        self.position = 0
        self._threads = threads

    async def start(self) -> None:
        """At the end of the log, as it is now; all before that is decided once this returns."""
        last = await self._threads.run(_last)
        await self._writers_end()
        self.position = last

    async def news(self) -> News:
        """What is decided behind `position`, the same again until it is `passed`. Empty: nothing is new."""
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
        began, told = time.monotonic(), False
        writers = await self._threads.run(_writers)
        while writers:
            await asyncio.sleep(GLANCE)
            writers &= await self._threads.run(_writers)
            if not told and time.monotonic() - began > LONG:
                told = True
                log.warning(
                    "live streams wait for a transaction that has appended and does not end", after=self.position
                )


def _without_gap(rows: News, position: int) -> News:
    for index, row in enumerate(rows, start=1):
        if row[0] != position + index:
            return rows[: index - 1]
    return rows


def _last() -> int:
    last: int = sql.run(live_sql.LAST, [])[0][0]
    return last


def _after(position: int) -> list[tuple[int, str]]:
    return [(place, stream) for place, stream in sql.run(live_sql.NEWS, [position, PAGE])]


def _writers() -> set[str]:
    return {writer for (writer,) in sql.run(live_sql.WRITERS, [])}
