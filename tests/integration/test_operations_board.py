"""What open operations pages get: one reading for all, nothing without a page, and a word when the database is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from django.db import OperationalError

from orderproject.live import board
from orderproject.live.board import Board
from orderproject.operations.history import RANGES
from orderproject.operations.page import now_html

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = RANGES["1h"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each reading of what is true now."""
    seen: list[str] = []

    def counted() -> str:
        seen.append("read")
        return now_html()

    monkeypatch.setattr(board, "now_html", counted)
    return seen


async def frames(chunks: AsyncGenerator[bytes, None], number: int) -> list[str]:
    return [(await anext(chunks)).decode() for _ in range(number)]


def within_seconds(work: Any) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(run())


def test_all_pages_get_the_same_reading(reads: list[str]) -> None:
    async def work() -> None:
        shared = Board()
        pages = [shared.chunks(HOUR, time.time() + 60, asyncio.Event()) for _ in range(3)]
        got = [await frames(page, 3) for page in pages]
        assert [frame.split("\n")[0] for frame in got[0]] == ["retry: 3000", "event: charts", "event: now"]
        assert got == [got[0]] * 3
        assert (len(reads), len(shared)) == (1, 3)
        for page in pages:
            await page.aclose()
        assert len(shared) == 0

    within_seconds(work)


@pytest.mark.usefixtures("reads")
def test_a_page_ends_when_its_client_leaves_or_its_permission_is_to_be_checked_or_the_process_stops() -> None:
    async def rest(page: AsyncGenerator[bytes, None]) -> int:
        return len([chunk async for chunk in page])

    async def work() -> None:
        shared, left = Board(), asyncio.Event()
        page = shared.chunks(HOUR, time.time() + 60, left)
        await frames(page, 3)
        left.set()
        assert await rest(page) == 0
        assert await rest(shared.chunks(HOUR, time.time() - 1, asyncio.Event())) == 1
        page = shared.chunks(HOUR, time.time() + 60, asyncio.Event())
        await frames(page, 3)
        shared.stop()
        assert await rest(page) == 0

    within_seconds(work)


def test_without_the_database_it_says_so_and_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> str:
        raise OperationalError("the server closed the connection")

    async def work() -> None:
        monkeypatch.setattr(board, "EVERY", 0.01)
        shared = Board()
        page = shared.chunks(HOUR, time.time() + 60, asyncio.Event())
        with monkeypatch.context() as outage:
            outage.setattr(board, "now_html", away)
            assert (await frames(page, 3))[-1].startswith('event: away\ndata: "PostgreSQL does not answer')
        assert (await frames(page, 1))[0].startswith("event: now\n")
        await page.aclose()

    within_seconds(work)
