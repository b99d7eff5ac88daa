"""One client's stream: first the events that it missed, then new events, with comments while nothing happens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from events.live.frames import COMMENT, chunk, greeting
from events.live.hub import PAGE, Hub
from events.live.listener import Listener
from events.live.selection import Selection

COMMENT_EVERY = 15.0
"""Seconds between two comments, which keep the connection open."""


class Follower:
    """The stream of one client.

    `after`: the client's last id; None starts where the selection starts. `until`: the Unix time at which it ends.
    Every frame is sent exactly once and in order. The hub returns the position from which it sends everything live;
    the events between `after` and that position are final in the log and are read from there.
    """

    def __init__(
        self, hub: Hub, selection: Selection, after: int | None, until: float, cut: Callable[[], None] = lambda: None
    ) -> None:
        self._hub = hub
        self._selection = selection
        self._after = selection.start if after is None else after
        self._page: deque[bytes] = deque()
        self._cut = cut
        self._end = time.monotonic() + max(0.0, until - time.time())
        self._comment = time.monotonic() + COMMENT_EVERY
        self._listener: Listener = hub.join(selection, cut)

    async def opens(self, seconds: float) -> bool:
        """Whether the stream starts within `seconds`. Every event appended after that reaches the client."""
        return await self._listener.admitted(seconds)

    def end(self) -> None:
        """Call it when the client has disconnected. Idempotent."""
        self._hub.leave(self._listener)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yields complete frames or comments. Raises DatabaseError or InterfaceError; the client may then reconnect."""
        try:
            yield greeting(self._listener.since if self._after is None else None)
            while not self._over:
                if self._comment <= time.monotonic():
                    self._comment += COMMENT_EVERY
                    yield COMMENT
                elif (
                    await self._listener.active_within(self._idle_seconds)
                    and not self._over
                    and (frames := await self._next())
                ):
                    yield frames
        finally:
            self.end()

    @property
    def _over(self) -> bool:
        return self._listener.over or time.monotonic() >= self._end

    @property
    def _idle_seconds(self) -> float:
        return max(0.0, min(self._comment, self._end) - time.monotonic())

    async def _next(self) -> bytes:
        if self._after is not None and not self._page and self._listener.since is not None:
            await self._read_missed(self._after, self._listener.since)
        return chunk(self._page) or self._listener.take()

    async def _read_missed(self, after: int, until: int) -> None:
        """Reads one page. A client with more to read leaves the hub meanwhile, or live frames would pile up."""
        page = await self._hub.missed(self._selection, after, until)
        if self._over:  # the client has disconnected meanwhile and must not join again
            return
        self._page.extend(encoded.frame(self._selection.id_of(encoded.event)) for encoded in page)
        if len(page) < PAGE:
            self._after = None
        else:
            self._after = self._selection.id_of(page[-1].event)
            self._hub.leave(self._listener)
            self._listener = self._hub.join(self._selection, self._cut)
