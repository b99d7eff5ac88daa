"""Serves all open streams of a process from one reader of the log. Everything here runs on one event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError

from events.live import frames, ports
from events.live.hints import listen
from events.live.listener import Listener
from events.live.selection import EVERYTHING, Selection, Topic
from events.live.tail import News, Tail
from events.live.threads import Threads
from events.liveness.heartbeat import EVERY, touch
from events.metrics.declare import Reported

POLL = 0.25
"""Seconds between two looks at the log when no hint arrives."""
PAUSE = 0.01
"""Seconds between two reads of the log, at least. Under load each read finds more events."""
IDLE_CHECK_EVERY = 5.0
"""Seconds between two checks for listeners. A new listener wakes the hub anyway."""
MAX_CATCHING_UP = 4
"""Clients that read missed events concurrently; further clients wait."""
PAGE = 100
"""Missed events per read."""
OWNERS = 50_000
"""Streams whose owners are cached."""

OPEN = Reported("live_streams_open", "Open streams of events (SSE connections).")

log = structlog.get_logger(__name__)


class Hub:
    """Reads new events from the log and passes each to the streams that select it.

    Listeners are admitted only between two rounds, so each one gets exactly the events after its `since`. The hub does
    not read the log while there are no listeners.
    """

    def __init__(self, poll: float = POLL) -> None:
        self._poll = poll
        self._by_topic: dict[Topic, set[Listener]] = defaultdict(set)
        self._listeners: set[Listener] = set()
        self._waiting: set[Listener] = set()
        self._owners: dict[str, UUID] = {}
        self._activity = asyncio.Event()
        self._started = False
        self._reading = Threads(1, keep=True)
        self._missed = Threads(MAX_CATCHING_UP)
        self._tail = Tail(self._reading)
        self.stopping = False

    # --- listeners -----------------------------------------------------------------------------------------------

    def join(self, selection: Selection, cut: Callable[[], None] = lambda: None) -> Listener:
        """Adds a listener, which is admitted in the next round. `cut` must close the connection of a slow client."""
        listener = Listener(selection, cut)
        if self.stopping:
            listener.end()
        else:
            self._waiting.add(listener)
            self._activity.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """Removes a listener. Idempotent."""
        listener.end()
        self._waiting.discard(listener)
        self._listeners.discard(listener)
        for topic in listener.selection.topics:
            self._by_topic[topic].discard(listener)
            if not self._by_topic[topic]:
                del self._by_topic[topic]

    def __len__(self) -> int:
        return len(self._listeners) + len(self._waiting)

    async def missed(self, selection: Selection, after: int, until: int) -> list[frames.EncodedEvent]:
        """The first missed events, at most PAGE. Raises DatabaseError or InterfaceError."""

        def read() -> list[frames.EncodedEvent]:
            return frames.read(selection.missed(after, until, PAGE))

        return await self._missed.run(read)

    def stop(self) -> None:
        """Ends every stream. Clients that reconnect resume where they were."""
        self.stopping = True
        for listener in [*self._listeners, *self._waiting]:
            listener.end()
        self._activity.set()

    # --- the log -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves until `stop`. If the database is down, it waits; events appended meanwhile follow later."""
        heartbeat = asyncio.create_task(_heartbeat())
        while not self.stopping:
            if len(self):
                hints = asyncio.create_task(listen(self._activity.set))
                await self._follow_the_log()
                hints.cancel()
            else:
                await self._sleep(IDLE_CHECK_EVERY)
        heartbeat.cancel()
        await self._reading.close()
        await self._missed.close()

    async def _follow_the_log(self) -> None:
        """Reads the log while there are listeners. After new events it polls fast, because more often follow soon."""
        self._started = False
        timeout = self._poll
        while len(self) and not self.stopping:
            busy = await self._round()
            timeout = PAUSE if busy else min(2 * timeout, self._poll)
            await asyncio.sleep(PAUSE)
            if not busy:
                await self._sleep(timeout)

    async def _sleep(self, seconds: float) -> None:
        """Sleeps until a hint or a new listener arrives, or for `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._activity.wait()
        self._activity.clear()

    async def _round(self) -> bool:
        """Runs one round; returns whether there were new events. After a failure the next round tries again."""
        try:
            if not self._started:
                await self._tail.start()
                self._started = True
            self._admit()
            news = await self._tail.news()
            if news:
                await self._pass_on(news)
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

    async def _pass_on(self, news: News) -> None:
        owners = await self._owners_of([stream for _, stream in news])
        wanted = [(position, listeners) for position, stream in news if (listeners := self._listening(stream, owners))]
        if not wanted:
            return
        events = await self._reading.run(frames.read, [position for position, _ in wanted])
        for encoded, (_, listeners) in zip(events, wanted, strict=True):
            for listener in listeners:
                if not listener.over:
                    listener.offer(encoded.frame(listener.selection.id_of(encoded.event)))

    def _listening(self, stream: str, owners: dict[str, UUID]) -> list[Listener]:
        topics: Sequence[Topic | None] = (EVERYTHING, stream, stream.partition(":")[0], owners.get(stream))
        return [
            listener
            for topic in topics
            if topic is not None and topic in self._by_topic
            for listener in self._by_topic[topic]
        ]

    async def _owners_of(self, streams: Sequence[str]) -> dict[str, UUID]:
        """Looks owners up only while a stream selects by owner, and only once per stream."""
        if not any(isinstance(topic, UUID) for topic in self._by_topic):
            return {}
        if len(self._owners) > OWNERS:
            self._owners.clear()
        unknown = [stream for stream in dict.fromkeys(streams) if stream not in self._owners]
        if unknown:
            self._owners.update(await self._reading.run(ports.owners_of, unknown))
        return self._owners


async def _heartbeat() -> None:
    """Writes the heartbeat while the event loop runs. A frozen database must not cause a restart of this process."""
    while True:
        touch("live")
        await asyncio.sleep(EVERY)
