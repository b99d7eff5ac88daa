"""Live streams over the one address of the shop: real processes, real connections."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from django.db import connection

from events.log.append import emit
from events.models import StoredEvent
from inventory.events import InventoryLow
from orderproject.accounts.api_keys import issue
from orderproject.accounts.auth import access_token
from orderproject.models import ApiKey, User
from orders.models import Order
from payments.events import PaymentFailed, PaymentVoided
from tests.acceptance import late_writers
from tests.acceptance.live_story import story
from tests.acceptance.shop import Shop
from tests.integration.api import order, user
from tests.sse import Reader
from tests.stackrun import until

PROCESSES = ("front", "web", "live")
END_OF_RESPONSE = b"\r\n0\r\n\r\n"
WRITERS = 5


@pytest.fixture
def customer() -> User:
    return user()


@pytest.fixture
def auditor() -> User:
    return user("", "events.view_storedevent", "orders.view_order")


def token_of(caller: User) -> str:
    return str(access_token(caller))


class Api:
    """The shop's one address."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.base = f"{shop.deployment.url}/api/v1"

    def places(self, caller: User) -> str:
        sku = f"MUG-{uuid4().hex[:6].upper()}"
        self.shop.stock(sku, 5)
        headers = {"Authorization": f"Bearer {token_of(caller)}", "Idempotency-Key": str(uuid4())}
        answer = httpx.post(f"{self.base}/orders/", json=order((sku, 1)), headers=headers, timeout=20)
        return str(answer.raise_for_status().json()["id"])

    def cancels(self, order_id: str) -> None:
        one = Order.objects.get(id=order_id)
        one.cancel("changed_my_mind")
        one.save()

    def follows(self, caller: User, order_id: str = "", last: int | None = None) -> Reader:
        path = f"orders/{order_id}/stream/" if order_id else "stream/"
        return Reader(f"{self.base}/{path}", token_of(caller), last)

    def asks(self, path: str, caller: User | None = None, **headers: str) -> httpx.Response:
        authorization = {"Authorization": f"Bearer {token_of(caller)}"} if caller else {}
        with httpx.stream("GET", f"{self.base}/{path}", headers=authorization | headers, timeout=20) as response:
            if response.status_code != 200:
                response.read()
            return response


@pytest.fixture
def api(processes: Shop) -> Iterator[Api]:
    yield Api(processes)
    for process in processes.processes.values():
        assert "Traceback" not in process.output(), process.output()


def got(reader: Reader, count: int) -> list[str]:
    """The types that it has received, once they are so many."""
    until(lambda: len(reader.received) >= count, 10, lambda: (reader.received, reader.ends))
    return [event.type for event in reader.received]


def test_an_order_is_followed_from_its_first_event_on_by_the_address_of_the_shop(api: Api, customer: User) -> None:
    order_id = api.places(customer)
    with api.follows(customer, order_id) as reader:
        assert got(reader, 1) == ["order.created"]
        emit([PaymentVoided(order_id=UUID(order_id))])  # of another stream
        api.cancels(order_id)
        assert got(reader, 2) == ["order.created", "order.cancelled"]
    assert [event.id for event in reader.received] == [1, 2] == [e.envelope["streamVersion"] for e in reader.received]
    listed = httpx.get(
        f"{api.base}/orders/{order_id}/events/", headers={"Authorization": f"Bearer {token_of(customer)}"}
    )
    assert [event.envelope for event in reader.received] == listed.json()


def test_whoever_comes_back_gets_what_came_after_its_last_id(api: Api, customer: User) -> None:
    order_id = api.places(customer)
    api.cancels(order_id)
    with api.follows(customer, order_id, last=1) as reader:
        assert got(reader, 1) == ["order.cancelled"]
    with api.follows(customer, last=0) as reader:
        assert got(reader, 2) == ["order.created", "order.cancelled"]
    with api.follows(customer, last=reader.received[0].id) as again:
        assert got(again, 1) == ["order.cancelled"]
    assert again.received == reader.received[1:]


def test_whoever_was_cut_off_before_its_first_event_misses_nothing(api: Api, customer: User) -> None:
    with api.follows(customer) as reader:
        assert reader.opened.wait(10)
    order_id = api.places(customer)
    with api.follows(customer, last=reader.last) as again:
        assert got(again, 1) == ["order.created"]
        api.cancels(order_id)
        assert got(again, 2) == ["order.created", "order.cancelled"]


def test_everybody_sees_what_he_may(api: Api, customer: User, auditor: User) -> None:
    warehouse, stranger = user("", "orders.view_order"), user()
    readers = [api.follows(one) for one in (customer, auditor, warehouse, stranger)]
    with readers[0] as mine, readers[1] as all_of_it, readers[2] as orders, readers[3] as nothing:
        for reader in readers:
            assert reader.opened.wait(10)
        own = api.places(customer)
        emit([InventoryLow(sku="MUG-RED", available=1, threshold=5)])
        emit([PaymentVoided(order_id=UUID(own))])
        foreign = api.places(user())
        assert got(mine, 2) == ["order.created", "payment.voided"]
        assert got(all_of_it, 4) == ["order.created", "inventory.low", "payment.voided", "order.created"]
        assert got(orders, 3) == ["order.created", "payment.voided", "order.created"]
        emit([PaymentVoided(order_id=UUID(foreign))])
        assert got(all_of_it, 5)[4:] == ["payment.voided"]
    assert len(mine.received) == 2
    assert nothing.received == []


def test_who_may_not_is_told_why(api: Api, customer: User) -> None:
    foreign = api.places(user())
    refused = {
        401: api.asks("stream/"),
        404: api.asks(f"orders/{foreign}/stream/", customer),
        400: api.asks("stream/", customer, **{"Last-Event-ID": "x"}),
    }
    for status, answer in refused.items():
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.headers["X-Request-ID"]
    answer = api.asks("stream/", customer, Accept="text/event-stream", **{"X-Request-ID": "mine"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["X-Request-ID"] == "mine"
    assert "no-store" in answer.headers["Cache-Control"]


def test_an_api_key_opens_a_stream_too(api: Api, customer: User) -> None:
    key = issue(ApiKey(name="warehouse", user=customer), actor="boss")
    answer = api.asks("stream/", Authorization=f"Api-Key {key}")
    assert answer.status_code == 200


def test_a_stream_ends_with_the_token_that_opened_it(api: Api, customer: User) -> None:
    token = access_token(customer)
    token.set_exp(lifetime=timedelta(seconds=2))
    with Reader(f"{api.base}/stream/", str(token)) as reader:
        until(lambda: "401" in reader.ends, 10, lambda: reader.ends)
    assert reader.ends[0] == "end"


def test_each_event_comes_once_and_in_order_however_often_the_connection_breaks(api: Api, auditor: User) -> None:
    """Several write at once, take their positions early, commit late, and some of them roll back."""
    streams = [uuid4() for _ in range(WRITERS)]
    with api.follows(auditor) as reader, api.follows(auditor) as steady:
        assert reader.opened.wait(10)
        assert steady.opened.wait(10)
        writers = late_writers.started(streams)
        while any(writer.is_alive() for writer in writers):
            time.sleep(random.uniform(0.0, 0.15))
            reader.cut()
        assert_told_once_and_in_order(reader, streams, api.shop)
        assert_told_once_and_in_order(steady, streams, api.shop)
    assert len(reader.ends) > 3, "it was never interrupted"
    assert len(steady.ends) <= 1


def assert_told_once_and_in_order(reader: Reader, order_ids: list[UUID], shop: Shop) -> None:
    committed = StoredEvent.objects.filter(stream__in=[f"payment:{order_id}" for order_id in order_ids])
    positions = list(committed.order_by("position").values_list("position", flat=True))
    assert len(positions) == WRITERS * late_writers.EACH
    until(lambda: len(reader.received) >= len(positions), 90, lambda: story(reader, positions, shop))
    assert [event.id for event in reader.received] == positions
    for order_id in order_ids:
        told = [event.envelope for event in reader.received if event.envelope["stream"] == f"payment:{order_id}"]
        assert [envelope["streamVersion"] for envelope in told] == list(range(1, late_writers.EACH + 1))


def test_a_client_that_does_not_read_is_cut_off(api: Api, auditor: User) -> None:
    """More than the systems' buffers hold, and then more than the process keeps for it."""
    url = urlsplit(api.base)
    request = (
        f"GET {url.path}/stream/ HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {token_of(auditor)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=20) as client, api.follows(auditor) as other:
        client.sendall(request.encode())
        assert b" 200 " in client.recv(4096)
        assert other.opened.wait(10)
        for _ in range(20):
            emit([PaymentFailed(order_id=uuid4(), reason="card_declined", detail="x" * 20_000)] * 100)
        until(lambda: len(other.received) >= 2_000, 60, lambda: len(other.received))  # what both are sent has been sent
        assert last_of(client, within=30) != END_OF_RESPONSE, "ended in peace"


def last_of(client: socket.socket, within: float) -> bytes:
    """The last bytes that come before the connection is closed."""
    deadline, last = time.monotonic() + within, b""
    with suppress(ConnectionResetError):
        while received := client.recv(1 << 20):
            assert time.monotonic() < deadline, "it is still served"
            last = (last + received)[-len(END_OF_RESPONSE) :]
    return last


def test_a_hundred_streams_cost_the_web_process_no_thread(api: Api, auditor: User) -> None:
    token = token_of(auditor)

    async def run() -> list[float]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=30, limits=limits, headers={"Authorization": f"Bearer {token}"}) as http:
            opened = asyncio.Semaphore(0)
            waits = [asyncio.create_task(first_event(http, opened)) for _ in range(100)]
            for _ in waits:
                await opened.acquire()
            assert (await http.get(f"{api.shop.deployment.url}/livez")).status_code == 200
            began = time.monotonic()
            await asyncio.to_thread(emit_and_close)
            return [when - began for when in await asyncio.gather(*waits)]

    async def first_event(http: httpx.AsyncClient, opened: asyncio.Semaphore) -> float:
        async with http.stream("GET", f"{api.base}/stream/") as response:
            opened.release()
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    return time.monotonic()
        raise AssertionError("it ended without the event")

    assert max(asyncio.run(run())) < 5


def emit_and_close() -> None:
    emit([InventoryLow(sku="MUG-RED", available=1, threshold=5)])
    connection.close()


def test_streams_are_closed_before_the_process_ends_and_go_on_with_the_next_one(api: Api, customer: User) -> None:
    order_id = api.places(customer)
    live = api.shop.processes["live"]
    with api.follows(customer, order_id) as reader:
        got(reader, 1)
        live.signal(signal.SIGTERM)
        try:
            assert live.wait(5)
            assert live.returncode == 0
            until(lambda: "503" in reader.ends, 5, lambda: reader.ends)
            assert reader.ends[0] == "end", "cut instead of closed"

            away = api.asks(f"orders/{order_id}/stream/", customer)
            assert away.status_code == 503
            assert away.headers["Retry-After"]
            assert away.json()["type"] == "unavailable"

            api.cancels(order_id)
        finally:  # the other tests need it too
            live.start()
            live.wait_ready()
        assert got(reader, 2) == ["order.created", "order.cancelled"]
