"""The hub's view of one open stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from events.live.frames import chunk
from events.live.selection import Selection

BUFFER = 1_000
"""Frames that may wait for a client. A slower client is disconnected; it reconnects and reads the log."""


class Listener:
    """The buffer of frames for one client."""

    def __init__(self, selection: Selection, cut: Callable[[], None] = lambda: None) -> None:
        self.selection = selection
        self.since: int | None = None
        """The position after which it gets everything live; None until the hub has admitted it."""
        self.over = False
        self._cut = cut
        self._frames: deque[bytes] = deque()
        self._activity = asyncio.Event()
        self._admitted = asyncio.Event()

    def admit(self, position: int) -> None:
        self.since = position
        self._admitted.set()
        self._activity.set()

    async def admitted(self, seconds: float) -> bool:
        """Whether the hub admits it within `seconds`."""
        return await _within(seconds, self._admitted)

    def offer(self, frame: bytes) -> None:
        """Buffers a frame. Disconnects a client whose buffer is full; an end of stream would only be buffered, too."""
        if len(self._frames) >= BUFFER:
            self.end()
            self._cut()
            return
        self._frames.append(frame)
        self._activity.set()

    def end(self) -> None:
        self.over = True
        self._frames.clear()
        self._activity.set()

    async def active_within(self, seconds: float) -> bool:
        """Whether a frame, the admission or the end arrives within `seconds`."""
        return await _within(seconds, self._activity)

    def take(self) -> bytes:
        """A chunk of the buffered frames; empty if there are none."""
        taken = chunk(self._frames)
        if not self._frames:
            self._activity.clear()
        return taken


async def _within(seconds: float, event: asyncio.Event) -> bool:
    if not event.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
    return event.is_set()
