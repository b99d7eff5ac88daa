"""The card processor is away while orders come in: it is left in peace, nobody loses an attempt, all end well."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from events.breakers.breaker import State
from orders.models import Order
from payments.gateways import BREAKER
from sagas.models import SagaStep
from tests.acceptance.shop import Shop
from tests.chaos.conftest import Opening

BACKEND = ("sandbox", "worker-core", "worker-calls", "worker-network", "relay", "beat")


@pytest.fixture
def shop(opening: Opening) -> Iterator[Shop]:
    with opening(*BACKEND) as shop:
        yield shop


def outage(shop: Shop, on: bool) -> int:
    """Returns how many calls have been turned away so far."""
    address, body = f"{shop.deployment.sandbox_url}/control/outage", json.dumps({"on": on}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        state: dict[str, Any] = json.load(answer)
    return int(state["turnedAway"])


def place(shop: Shop, orders: int, every: float = 0.02) -> None:
    for _ in range(orders):
        shop.places("MUG")
        time.sleep(every)


def test_an_outage_opens_the_breaker_and_its_end_drains_the_backlog(shop: Shop):
    shop.stock("MUG", 1000)
    place(shop, 150)
    shop.wait_until(lambda: not shop.busy(), 30)
    assert BREAKER.snapshot().state is State.CLOSED
    assert BREAKER.snapshot().successes >= 200  # a window full of good calls, which must not hide what comes now

    outage(shop, on=True)
    began = time.monotonic()
    place(shop, 150)
    shop.wait_until(lambda: BREAKER.snapshot().state is not State.CLOSED, BREAKER.window)
    assert time.monotonic() - began < BREAKER.window
    time.sleep(1)  # what was under way has ended
    before = outage(shop, on=True)
    place(shop, 200, every=0.05)
    waited = 14.0
    time.sleep(waited - 10)
    probed = outage(shop, on=True) - before
    rounds = waited / BREAKER.cool_down + 2
    assert probed <= rounds * BREAKER.probes, "only probes, a few at a time"
    assert probed > 0
    assert Order.objects.filter(status="pending").count() == 350
    waiting = SagaStep.objects.filter(name="authorize_payment", state="waiting")
    shop.wait_until(lambda: waiting.filter(error_code="postponed").count() > 300, 10)
    assert max(waiting.values_list("attempts", flat=True)) < 3
    assert waiting.filter(attempts=0).count() >= 200  # whoever came after it had opened lost nothing

    outage(shop, on=False)
    ended = time.monotonic()
    shop.wait_until(lambda: BREAKER.snapshot().state is State.CLOSED, 4 * BREAKER.cool_down)
    shop.wait_until(lambda: not shop.busy(), 60)
    print(f"drained {time.monotonic() - ended:.1f} s after the outage; {probed} probes in {waited:.0f} s")
    assert set(Order.objects.values_list("status", flat=True)) == {"confirmed"}
    assert shop.reconcile() == []


def test_a_card_that_hangs_opens_nothing_for_the_others(shop: Shop):
    shop.stock("MUG", 100)
    hanging = [shop.places("MUG", pays="tok_timeout") for _ in range(3)]
    place(shop, 40)
    shop.wait_until(lambda: Order.objects.filter(status="confirmed").count() == 40, 15)
    assert BREAKER.snapshot().state is State.CLOSED
    assert [order.settles(within=90) for order in hanging] == ["cancelled"] * 3
    assert shop.reconcile() == []


@pytest.mark.slow
def test_cards_that_hang_alone_are_cancelled_all_the_same(shop: Shop):
    """Ten of them look like an outage; what hung spends its attempts, so no order waits without end."""
    shop.stock("MUG", 100)
    hanging = [shop.places("MUG", pays="tok_timeout") for _ in range(10)]
    assert [order.settles(within=200) for order in hanging] == ["cancelled"] * 10
    assert shop.reconcile() == []
