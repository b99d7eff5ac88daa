"""One client's stream beside the log: what it missed, what happens meanwhile, and a client that is too slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async

from events.live import follow, hub, listener
from events.live.follow import Follower
from events.live.frames import EncodedEvent
from events.live.hub import Hub
from events.live.selection import Everything, Kinds, OneStream, Owned, Selection
from events.log.append import emit
from inventory.events import InventoryLow
from orders.services import Placement, Wanted, place
from payments.events import PaymentVoided
from tests.integration.api import ADDRESS, product
from tests.sse import Received, blocks, events

pytestmark = pytest.mark.django_db(transaction=True)

LOW = InventoryLow(sku="MUG-RED", available=1, threshold=5)


def running(check: Callable[[Hub], Coroutine[Any, Any, None]]) -> None:
    """With a hub that nothing hurries but its own polling."""

    async def run() -> None:
        at_work = Hub(poll=0.02)
        task = asyncio.create_task(at_work.run())
        try:
            async with asyncio.timeout(30):
                await check(at_work)
        finally:
            at_work.stop()
            await task

    asyncio.run(run())


@asynccontextmanager
async def following(
    at_work: Hub,
    selection: Selection,
    after: int | None = None,
    seconds: float = 60,
    cut: Callable[[], None] = lambda: None,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The chunks behind the greeting of a stream that has begun."""
    follower = Follower(at_work, selection, after, time.time() + seconds, cut)
    assert await follower.opens(10)
    chunks = follower.chunks()
    assert b"\nretry: " in await anext(chunks)
    yield chunks
    follower.end()


async def some(chunks: AsyncIterator[bytes], count: int) -> list[Received]:
    found: list[Received] = []
    while len(found) < count:
        found += events(iter((await anext(chunks)).decode().split("\n")))
    return found


async def record(*recorded: Any) -> list[int]:
    return [one.position for one in await sync_to_async(emit)(recorded)]


def test_what_was_missed_and_what_happens_meanwhile_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PAGE", 10)
    monkeypatch.setattr(hub, "PAGE", 10)

    async def check(at_work: Hub) -> None:
        positions = await record(*[LOW] * 95)
        async with following(at_work, Everything(), after=positions[4]) as chunks:
            received = await some(chunks, 20)
            positions += await record(*[LOW] * 7)
            received += await some(chunks, len(positions) - 5 - len(received))
        assert [event.id for event in received] == positions[5:]

    running(check)


def test_pages_end_with_the_last_even_if_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PAGE", 5)
    monkeypatch.setattr(hub, "PAGE", 5)

    async def check(at_work: Hub) -> None:
        positions = await record(*[LOW] * 10)
        async with following(at_work, Everything(), after=0) as chunks:
            await some(chunks, 10)
            positions += await record(LOW)
            assert [event.id for event in await some(chunks, 1)] == positions[10:]

    running(check)


@pytest.mark.parametrize("resumed", [False, True])
def test_live_and_out_of_the_log_a_selection_is_the_same(resumed: bool) -> None:
    customer = uuid4()

    async def check(at_work: Hub) -> None:
        selections: dict[str, tuple[Selection, list[str]]] = {
            "all": (Everything(), ["payment.voided", "order.created", "inventory.low", "payment.voided"]),
            "kinds": (Kinds(("order", "payment")), ["payment.voided", "order.created", "payment.voided"]),
            "owned": (Owned(customer), ["order.created", "payment.voided"]),
        }
        if resumed:
            await sync_to_async(tell_a_story)(customer)
        for name, (selection, types) in selections.items():
            async with following(at_work, selection, after=0 if resumed else None) as chunks:
                if not resumed:
                    await sync_to_async(tell_a_story)(customer)
                received = await some(chunks, len(types))
                assert [event.type for event in received] == types, name

    running(check)


def tell_a_story(customer: UUID) -> None:
    emit([PaymentVoided(order_id=uuid4())])
    sku = f"MUG-{uuid4().hex[:4]}"
    product(sku)
    order = place(Placement(customer, "EUR", "ada@example.com", "tok_visa", ADDRESS, [Wanted(sku, 1)]))
    emit([LOW])
    emit([PaymentVoided(order_id=order.id)])


def test_one_stream_counts_by_its_own_versions() -> None:
    order_id = uuid4()

    async def check(at_work: Hub) -> None:
        await record(*[PaymentVoided(order_id=order_id)] * 3, LOW)
        async with following(at_work, OneStream(f"payment:{order_id}"), after=1) as chunks:
            await record(PaymentVoided(order_id=order_id))
            received = await some(chunks, 3)
        assert [event.id for event in received] == [2, 3, 4]
        assert [event.envelope["streamVersion"] for event in received] == [2, 3, 4]

    running(check)


def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BUFFER", 20)

    async def check(at_work: Hub) -> None:
        cut = asyncio.Event()
        async with following(at_work, Everything(), cut=cut.set) as chunks, following(at_work, Everything()) as quick:
            await record(LOW)
            await some(chunks, 1)
            for _ in range(3):
                await record(*[LOW] * 10)
                await some(quick, 10)
            await cut.wait()
            assert [chunk async for chunk in chunks] == []
            assert len(at_work) == 1

    running(check)


def test_comments_come_in_between_and_the_end_with_the_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "COMMENT_EVERY", 0.2)

    async def check(at_work: Hub) -> None:
        async with following(at_work, Everything(), seconds=0.7) as chunks:
            assert [chunk async for chunk in chunks] == [b": still here\n\n"] * 3

    running(check)


def test_who_resumes_nothing_begins_with_what_comes() -> None:
    async def check(at_work: Hub) -> None:
        await record(LOW)
        async with following(at_work, Everything()) as chunks:
            coming = await record(LOW)
            assert [event.id for event in await some(chunks, 1)] == coming

    running(check)


@pytest.mark.parametrize("selection", [Everything(), Kinds(("inventory",))], ids=["all", "kinds"])
def test_who_is_cut_off_before_the_first_event_knows_where_it_began(selection: Selection) -> None:
    async def check(at_work: Hub) -> None:
        before = await record(LOW)
        place = await greeted(at_work, selection, None)
        assert place == before[0]
        coming = await record(LOW, LOW)
        async with following(at_work, selection, after=place) as chunks:
            assert [event.id for event in await some(chunks, 2)] == coming

    running(check)


def test_only_who_begins_with_what_comes_is_told_a_place() -> None:
    order_id = uuid4()

    async def check(at_work: Hub) -> None:
        (position,) = await record(PaymentVoided(order_id=order_id))
        assert await greeted(at_work, Everything(), position) is None
        assert await greeted(at_work, OneStream(f"payment:{order_id}"), None) is None

    running(check)


async def greeted(at_work: Hub, selection: Selection, after: int | None) -> int | None:
    """The id in the first block of a stream that breaks off behind it."""
    follower = Follower(at_work, selection, after, time.time() + 60)
    assert await follower.opens(10)
    (block,) = blocks(iter((await anext(follower.chunks())).decode().split("\n")[:-1]))
    follower.end()
    return int(block["id"]) if "id" in block else None


def test_who_goes_while_it_reads_what_it_missed_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PAGE", 5)
    monkeypatch.setattr(hub, "PAGE", 5)

    async def check(at_work: Hub) -> None:
        await record(*[LOW] * 20)
        follower = Follower(at_work, Everything(), 0, time.time() + 60)
        missed = at_work.missed

        async def and_gone(selection: Selection, after: int, until: int) -> list[EncodedEvent]:
            page = await missed(selection, after, until)
            follower.end()
            return page

        monkeypatch.setattr(at_work, "missed", and_gone)
        assert await follower.opens(10)
        chunks = follower.chunks()
        await anext(chunks)
        assert [chunk async for chunk in chunks] == []
        assert len(at_work) == 0

    running(check)
