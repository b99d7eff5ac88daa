"""All open streams of a process over one reader of the log. Everything here runs on one event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from events.heartbeat import EVERY, beat
from events.live import frames, ports
from events.live.hints import listen
from events.live.listener import Listener
from events.live.selection import EVERYTHING, Selection, Topic
from events.live.tail import News, Tail
from events.live.threads import Threads

PAUSE = 0.01
"""Seconds between two looks at the log, at least: under load a look finds more."""
REST = 5.0
"""Seconds between two looks at whether somebody listens; whoever comes wakes it anyway."""
CATCHING_UP = 4
"""Clients that read what they missed at the same time; the others wait for their turn."""
PAGE = 100
OWNERS = 50_000
"""Streams whose owners are remembered."""

log = structlog.get_logger(__name__)


class Hub:
    """Takes news from the log and hands each event to the streams that want it.

    Listeners are taken in between two rounds only, so each begins exactly behind the position that it is told. While
    nobody listens nothing is read.
    """

    def __init__(self, poll: float = settings.LIVE_POLL) -> None:
        self._poll = poll
        self._by_topic: dict[Topic, set[Listener]] = defaultdict(set)
        self._listeners: set[Listener] = set()
        self._waiting: set[Listener] = set()
        self._owners: dict[str, UUID] = {}
        self._stirred = asyncio.Event()
        self._started = False
        self._reading = Threads(1, keep=True)
        self._missed = Threads(CATCHING_UP)
        self._tail = Tail(self._reading)
        self.stopping = False

    # --- streams come and go -----------------------------------------------------------------------------------

    def join(self, selection: Selection, cut: Callable[[], None] = lambda: None) -> Listener:
        """Taken in soon: `Listener.since` says from where on. `cut` ends the connection of one that is too slow."""
        listener = Listener(selection, cut)
        if self.stopping:
            listener.end()
        else:
            self._waiting.add(listener)
            self._stirred.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """It is done with; may be called again."""
        listener.end()
        self._waiting.discard(listener)
        self._listeners.discard(listener)
        for topic in listener.selection.topics:
            self._by_topic[topic].discard(listener)
            if not self._by_topic[topic]:
                del self._by_topic[topic]

    def __len__(self) -> int:
        return len(self._listeners) + len(self._waiting)

    async def missed(self, selection: Selection, after: int, until: int) -> list[frames.Told]:
        """What a stream missed, at most a PAGE of it. Raises DatabaseError, InterfaceError."""

        def read() -> list[frames.Told]:
            return frames.read(selection.missed(after, until, PAGE))

        return await self._missed.run(read)

    def stop(self) -> None:
        """Ends every stream; clients that come back go on where they were."""
        self.stopping = True
        for listener in [*self._listeners, *self._waiting]:
            listener.end()
        self._stirred.set()

    # --- the log -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop`. A database that is away is waited for; what was appended meanwhile comes then."""
        living = asyncio.create_task(_live())
        while not self.stopping:
            if len(self):
                hints = asyncio.create_task(listen(self._stirred.set))
                await self._follow_the_log()
                hints.cancel()
            else:
                await self._something(REST)
        living.cancel()
        await self._reading.close()
        await self._missed.close()

    async def _follow_the_log(self) -> None:
        """For as long as somebody listens. More comes soon after news, hint or none, so the first looks are close."""
        self._started = False
        patience = self._poll
        while len(self) and not self.stopping:
            busy = await self._round()
            patience = PAUSE if busy else min(2 * patience, self._poll)
            await asyncio.sleep(PAUSE)
            if not busy:
                await self._something(patience)

    async def _something(self, seconds: float) -> None:
        """Sleeps until a hint, a new listener, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        self._stirred.clear()

    async def _round(self) -> bool:
        """Whether there was news. A failure leaves all as it was, for the next one to try again."""
        try:
            if not self._started:
                await self._tail.start()
                self._started = True
            self._admit()
            news = await self._tail.news()
            if news:
                await self._tell(news)
                self._tail.passed(news)
        except (DatabaseError, InterfaceError) as error:
            log.warning("live streams wait for the database", error=str(error))
            return False
        return bool(news)

    def _admit(self) -> None:
        for listener in self._waiting:
            self._listeners.add(listener)
            for topic in listener.selection.topics:
                self._by_topic[topic].add(listener)
            listener.admit(self._tail.position)
        self._waiting.clear()

    async def _tell(self, news: News) -> None:
        owners = await self._owners_of([stream for _, stream in news])
        wanted = [(position, listeners) for position, stream in news if (listeners := self._listening(stream, owners))]
        if not wanted:
            return
        events = await self._reading.run(frames.read, [position for position, _ in wanted])
        for told, (_, listeners) in zip(events, wanted, strict=True):
            for listener in listeners:
                if not listener.over:
                    listener.offer(told.frame(listener.selection.id_of(told.event)))

    def _listening(self, stream: str, owners: dict[str, UUID]) -> list[Listener]:
        topics: Sequence[Topic | None] = (EVERYTHING, stream, stream.partition(":")[0], owners.get(stream))
        return [
            listener
            for topic in topics
            if topic is not None and topic in self._by_topic
            for listener in self._by_topic[topic]
        ]

    async def _owners_of(self, streams: Sequence[str]) -> dict[str, UUID]:
        """Asked only while a stream of an owner is open, and once for each stream."""
        if not any(isinstance(topic, UUID) for topic in self._by_topic):
            return {}
        if len(self._owners) > OWNERS:
            self._owners.clear()
        unknown = [stream for stream in dict.fromkeys(streams) if stream not in self._owners]
        if unknown:
            self._owners.update(await self._reading.run(ports.owners_of, unknown))
        return self._owners


async def _live() -> None:
    """Signs of life of the event loop. A database that is frozen is no reason to throw every client out."""
    while True:
        beat("live")
        await asyncio.sleep(EVERY)
