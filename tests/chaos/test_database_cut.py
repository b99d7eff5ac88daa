"""PostgreSQL throws everybody out in the middle of a stage, as a restart does, and is back two seconds later."""

import json
import threading
import time
import urllib.request

from sagas.models import SagaStep
from tests.acceptance.shop import PlacedOrder, Shop
from tests.chaos.conftest import Opening
from tests.chaos.doors import Door

AWAY = 2.0
SWEEP = 15.0
"""Seconds until the sweep asks again: nobody should have to wait for it."""


def slow_down(shop: Shop, *, milliseconds: int) -> None:
    """The card processor thinks for so long before it answers."""
    body = json.dumps({"ms": milliseconds}).encode()
    url = f"{shop.deployment.sandbox_url}/control/latency"
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})):
        pass


def in_flight(order: PlacedOrder) -> bool:
    return SagaStep.objects.filter(run__subject=order.id, name="authorize_payment", lease__isnull=False).exists()


def test_a_stage_that_was_under_way_goes_on_without_the_sweep(opening: Opening) -> None:
    names = (
        "sandbox",
        "worker-core",
        "worker-calls",
        "worker-network",
        "relay",
    )  # without beat nothing is ever asked again
    with Door.to_postgres() as door, opening(*names, database_port=door.port) as shop:
        shop.stock("MUG-RED", 5)
        slow_down(shop, milliseconds=1500)
        order = shop.places("MUG-RED")
        shop.wait_until(lambda: in_flight(order), 20)
        door.shut()
        threading.Timer(AWAY, door.open).start()
        began = time.monotonic()
        assert order.settles(within=30) == "confirmed"
        assert time.monotonic() - began < AWAY + SWEEP
        assert shop.reconcile() == []
