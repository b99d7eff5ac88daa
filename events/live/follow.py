"""One client's stream from its opening to its end: what it missed, then what happens, and comments in between."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from events.live.frames import COMMENT, chunk, greeting
from events.live.hub import PAGE, Hub
from events.live.listener import Listener
from events.live.selection import Selection

COMMENT_EVERY = 15.0


class Follower:
    """`after` is the id that the client had last; None: it begins where the selection does. `until` is a Unix time.

    Each frame comes exactly once and in order: the hub tells from which position on it sends all, and what lies between
    `after` and there is read from the log, where it is final.
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
        """Whether it begins within so many seconds. What is appended after that reaches the client."""
        return await self._listener.admitted(seconds)

    def end(self) -> None:
        """Nobody reads any more."""
        self._hub.leave(self._listener)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Each is some whole frames, or a comment. Raises DatabaseError, InterfaceError: the client may come back."""
        try:
            yield greeting(self._listener.since if self._after is None else None)
            while not self._over:
                if self._comment <= time.monotonic():
                    self._comment += COMMENT_EVERY
                    yield COMMENT
                elif await self._listener.stirs(self._patience) and not self._over and (frames := await self._next()):
                    yield frames
        finally:
            self.end()

    @property
    def _over(self) -> bool:
        return self._listener.over or time.monotonic() >= self._end

    @property
    def _patience(self) -> float:
        return max(0.0, min(self._comment, self._end) - time.monotonic())

    async def _next(self) -> bytes:
        if self._after is not None and not self._page and self._listener.since is not None:
            await self._read_missed(self._after, self._listener.since)
        return chunk(self._page) or self._listener.take()

    async def _read_missed(self, after: int, until: int) -> None:
        """A page of it. Whoever is further behind leaves meanwhile, or live frames would pile up."""
        page = await self._hub.missed(self._selection, after, until)
        if self._over:  # the client has gone meanwhile: to join again would keep its stream for nobody
            return
        self._page.extend(told.frame(self._selection.id_of(told.event)) for told in page)
        if len(page) < PAGE:
            self._after = None
        else:
            self._after = self._selection.id_of(page[-1].event)
            self._hub.leave(self._listener)
            self._listener = self._hub.join(self._selection, self._cut)
