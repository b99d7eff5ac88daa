"""What open operations pages get: read once for all of them, every few seconds, and only while there are any."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from django.db import Error

from events.db.patience import connecting_within
from events.live.threads import Threads
from orderproject.operations.history import Range
from orderproject.operations.page import charts_html, now_html

EVERY = 3.0
"""Seconds between two looks at what is true now."""
CHARTS_EVERY = 20.0
"""Seconds between two looks at the samples, of which one comes each minute."""
PATIENCE = 2.0
"""Seconds to wait for a connection to the database."""
RETRY = b"retry: 3000\n\n"
DATABASE_AWAY = "PostgreSQL does not answer. These are the last values that could be read."

log = structlog.get_logger(__name__)


@dataclass
class _Shared:
    """One frame for all pages, and when it is too old to be sent again."""

    read: Callable[[], bytes]
    every: float
    frame: bytes = b""
    due: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Board:
    """Everything here runs on one event loop, but the reading, which has a thread of its own."""

    def __init__(self) -> None:
        self._threads = Threads(1)
        self._now = _Shared(lambda: _frame("now", now_html()), EVERY)
        self._charts: dict[str, _Shared] = {}
        self._open: set[asyncio.Event] = set()
        self.stopping = False

    def __len__(self) -> int:
        return len(self._open)

    def stop(self) -> None:
        """Ends every stream."""
        self.stopping = True
        for ended in self._open:
            ended.set()

    async def chunks(self, of: Range, until: float, ended: asyncio.Event) -> AsyncGenerator[bytes, None]:
        """Until `ended` is set, or the Unix time `until`. The charts come first, then again when they may be new."""
        self._open.add(ended)
        charts = self._charts.setdefault(of.name, _Shared(lambda: _frame("charts", charts_html(of)), CHARTS_EVERY))
        sent = b""
        try:
            yield RETRY
            while not (ended.is_set() or self.stopping) and time.time() < until:
                frame = await self._fresh(charts)
                if frame != sent:
                    sent = frame
                    yield frame
                yield await self._fresh(self._now)
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY):
                        await ended.wait()
        finally:
            self._open.discard(ended)

    async def _fresh(self, shared: _Shared) -> bytes:
        async with shared.lock:
            if shared.due <= time.monotonic():
                try:
                    shared.frame = await self._threads.run(_read, shared)
                    shared.due = time.monotonic() + shared.every * 0.9
                except Error as error:
                    log.warning("operations page waits for the database", error=str(error))
                    return _frame("away", DATABASE_AWAY)
        return shared.frame


def _read(shared: _Shared) -> bytes:
    with connecting_within(PATIENCE):
        return shared.read()


def _frame(event: str, text: str) -> bytes:
    return f"event: {event}\ndata: {json.dumps(text)}\n\n".encode()
