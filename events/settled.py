"""How far the log may be read by position: positions are handed out before the commit, so its end has holes."""

from __future__ import annotations

import time

from events import sql
from events.live.sql import LAST, WRITERS

GLANCE = 0.005


def settled(patience: float) -> int | None:
    """A position up to which everything is committed, or never will be; None if that takes longer than `patience`.

    First the last position, then who is writing: whatever lies below and cannot be seen is theirs. Once they have
    ended, nothing is missing. Writers that begin meanwhile, and transactions that write elsewhere, do not matter.
    """
    last: int = sql.run(LAST, [])[0][0]
    writers = _writers()
    deadline = time.monotonic() + patience
    while writers:
        if time.monotonic() > deadline:
            return None
        time.sleep(GLANCE)
        writers &= _writers()
    return last


def _writers() -> set[str]:
    return {writer for (writer,) in sql.run(WRITERS, [])}
