"""One open stream, as the hub sees it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from events.live.frames import chunk
from events.live.selection import Selection

BUFFER = 1_000
"""Frames that may wait for a client. One that is slower is cut off; it comes back and reads the log."""


class Listener:
    """What has happened for a client, and what waits to be sent to it."""

    def __init__(self, selection: Selection, cut: Callable[[], None] = lambda: None) -> None:
        self.selection = selection
        self.since: int | None = None
        """The position behind which it gets everything live; None until the hub has taken it in."""
        self.over = False
        self._cut = cut
        self._frames: deque[bytes] = deque()
        self._stirred = asyncio.Event()
        self._admitted = asyncio.Event()

    def admit(self, position: int) -> None:
        self.since = position
        self._admitted.set()
        self._stirred.set()

    async def admitted(self, seconds: float) -> bool:
        """Whether the hub takes it in within so many seconds."""
        return await _within(seconds, self._admitted)

    def offer(self, frame: bytes) -> None:
        """A client that does not take what waits for it is cut off: the end of a stream would wait as well."""
        if len(self._frames) >= BUFFER:
            self.end()
            self._cut()
            return
        self._frames.append(frame)
        self._stirred.set()

    def end(self) -> None:
        self.over = True
        self._frames.clear()
        self._stirred.set()

    async def stirs(self, seconds: float) -> bool:
        """Whether something happens within so many seconds."""
        return await _within(seconds, self._stirred)

    def take(self) -> bytes:
        """A chunk of the frames that wait; empty if none does."""
        taken = chunk(self._frames)
        if not self._frames:
            self._stirred.clear()
        return taken


async def _within(seconds: float, event: asyncio.Event) -> bool:
    if not event.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
    return event.is_set()
