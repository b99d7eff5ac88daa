"""The end of the log is read without a miss, although positions are handed out before the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from events.live.tail import Tail
from events.live.threads import Threads

pytestmark = pytest.mark.django_db(transaction=True)

Check = Callable[[Tail], Coroutine[Any, Any, None]]
APPEND = """
INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source, actor, correlation_id,
                                causation_id, traceparent, time)
VALUES (%s, %s, 1, 'order.confirmed', '1.0', '{}', '', '', '', '', '', now())
"""


class Writer:
    """A transaction of its own."""

    def __init__(self, session: psycopg.Connection) -> None:
        self.session = session

    def append(self, name: str) -> Writer:
        self.session.execute(APPEND, [uuid4(), f"order:{name}"])
        return self


@pytest.fixture
def begin() -> Iterator[Callable[[], Writer]]:
    """Begins a transaction beside all others."""
    with ExitStack() as sessions:

        def another() -> Writer:
            parameters = connection.get_connection_params()
            names = ("host", "port", "user", "password", "dbname")
            return Writer(sessions.enter_context(psycopg.connect(**{name: parameters[name] for name in names})))

        yield another


def tailing(check: Check) -> None:
    async def run() -> None:
        threads = Threads(1, keep=True)
        tail = Tail(threads)
        await tail.start()
        try:
            async with asyncio.timeout(20):
                await check(tail)
        finally:
            await threads.close()

    asyncio.run(run())


async def told(tail: Tail) -> list[str]:
    news = await tail.news()
    if news:
        tail.passed(news)
    return [stream.removeprefix("order:") for _, stream in news]


def test_what_is_committed_is_told_at_once_and_once(begin: Callable[[], Writer]) -> None:
    async def check(tail: Tail) -> None:
        begin().append("a").append("b").session.commit()
        assert await told(tail) == ["a", "b"]
        assert await told(tail) == []

    tailing(check)


def test_nothing_is_told_twice_unless_it_was_not_passed_on(begin: Callable[[], Writer]) -> None:
    async def check(tail: Tail) -> None:
        begin().append("a").session.commit()
        assert await tail.news() == await tail.news()

    tailing(check)


def test_one_that_commits_late_comes_first_as_its_position_says(begin: Callable[[], Writer]) -> None:
    async def check(tail: Tail) -> None:
        late, early = begin().append("late"), begin().append("early")
        early.session.commit()
        telling = asyncio.create_task(told(tail))
        done, _ = await asyncio.wait([telling], timeout=0.3)
        assert not done, "told before it was known what stands in the gap"
        late.session.commit()
        assert await telling == ["late", "early"]

    tailing(check)


def test_one_that_was_rolled_back_is_not_waited_for(begin: Callable[[], Writer]) -> None:
    async def check(tail: Tail) -> None:
        begin().append("never").session.rollback()
        begin().append("a").session.commit()
        assert await told(tail) == ["a"]

    tailing(check)


def test_what_lies_before_the_gap_does_not_wait(begin: Callable[[], Writer]) -> None:
    async def check(tail: Tail) -> None:
        begin().append("before").session.commit()
        assert await told(tail) == ["before"]
        begin().append("first").session.commit()
        late = begin().append("late")
        begin().append("last").session.commit()
        assert await told(tail) == ["first"]
        late.session.commit()
        assert await told(tail) == ["late", "last"]

    tailing(check)


def test_who_begins_to_append_later_holds_nothing_back(begin: Callable[[], Writer]) -> None:
    async def check(tail: Tail) -> None:
        late = begin().append("late")
        begin().append("a").session.commit()
        telling = asyncio.create_task(told(tail))
        await asyncio.wait([telling], timeout=0.1)
        begin().append("still open")
        late.session.commit()
        assert await telling == ["late", "a"]

    tailing(check)


def test_open_transactions_that_appended_nothing_hold_nothing_back(begin: Callable[[], Writer]) -> None:
    async def check(tail: Tail) -> None:
        begin().session.execute("CREATE TABLE another (); SELECT pg_current_xact_id()")
        begin().append("never").session.rollback()
        begin().append("a").session.commit()
        assert await told(tail) == ["a"]

    tailing(check)


def test_it_begins_behind_everything_that_was_under_way(begin: Callable[[], Writer]) -> None:
    async def run() -> None:
        late, early = begin().append("late"), begin().append("early")
        early.session.commit()
        threads = Threads(1, keep=True)
        tail = Tail(threads)
        starting = asyncio.create_task(tail.start())
        done, _ = await asyncio.wait([starting], timeout=0.3)
        assert not done, "whoever comes back with an older id would miss what is still under way"
        late.session.commit()
        await starting
        assert await told(tail) == []
        await threads.close()

    asyncio.run(run())
