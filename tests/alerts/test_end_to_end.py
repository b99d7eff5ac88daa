"""A real Prometheus watches a real shop: each fault raises its alert within a minute, and all boards have data.

Time passes `FACTOR` times faster for the rules, so a minute of normal load counts as twelve. ALERT_FAULTS=all injects
every fault, one after the other; `python -m tests.alerts` runs it so and prints how long each alert took.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from orderproject.stack.ports import free_port
from orderproject.stack.servers.valkey import EmbeddedValkey
from publishing.models import Cursor, HeldStream
from tests.acceptance.client import Client
from tests.acceptance.shop import Shop, open_shop
from tests.alerts import boards
from tests.alerts.faults import ALL, QUICK, Fault, broker_away
from tests.alerts.monitoring import Monitoring, monitoring
from tests.alerts.programs import needs_prometheus

FACTOR = 12.0
WITHIN = 60.0
"""Seconds in which a fault must raise its alert."""
OVER_WITHIN = 90.0
"""Seconds in which all alerts must be over after the repair."""
EVERYTHING = os.environ.get("ALERT_FAULTS") == "all"
QUIET = float(os.environ.get("ALERT_QUIET", "6"))
"""Seconds of normal load in which no alert may fire."""
PROCESSES = ("sandbox", "front", "web", "live", "worker-core", "worker-calls", "worker-network", "relay", "beat")

pytestmark = [pytest.mark.slow, needs_prometheus, pytest.mark.timeout(3600 if EVERYTHING else 300)]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey of our own, to be shut down."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shop(
    valkey: EmbeddedValkey, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with django_db_blocker.unblock(), open_shop(folder, *PROCESSES, valkey_url=valkey.url) as shop:
        shop.stock("ALERT-MUG", 100_000)
        yield shop


@pytest.fixture(scope="module")
def watched(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    with monitoring(tmp_path_factory.mktemp("prometheus") / "of", shop.deployment.url, FACTOR) as watching:
        yield watching


@pytest.fixture(scope="module", autouse=True)
def _customers(shop: Shop, watched: Monitoring) -> Iterator[None]:
    """Places an order every three seconds over HTTP, some with a card that is declined."""
    client, over = Client(shop.deployment.url), threading.Event()

    def buy() -> None:
        number = 0
        while not over.wait(3):
            number += 1
            client.place(("ALERT-MUG", 1), pays="tok_declined" if number % 4 == 0 else "tok_visa")
        connections.close_all()

    thread = threading.Thread(target=buy)
    thread.start()
    yield
    over.set()
    thread.join()


def test_each_fault_raises_its_alert_and_boards_show_data(
    shop: Shop, watched: Monitoring, valkey: EmbeddedValkey
) -> None:
    """One test, because faults and boards need the same minutes of history."""
    _stays_quiet(watched, QUIET)
    took = _one_by_one(shop, watched, (*ALL, broker_away(valkey))) if EVERYTHING else _in_turn(shop, watched)
    assert watched.broken_rules() == []
    if path := os.environ.get("ALERT_REPORT"):
        Path(path).write_text(json.dumps(took))


def _stays_quiet(watched: Monitoring, seconds: float) -> None:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        assert watched.alerts() == set()
        time.sleep(1)


def _in_turn(shop: Shop, watched: Monitoring) -> dict[str, list[float]]:
    """Each fault begins when the one before it is repaired, whose alert may still be there, and no other one."""
    took, before = {}, set[str]()
    for fault in QUICK:
        took[fault.name] = [_raised(shop, watched, fault, before)]
        before.add(fault.alert)
    _boards_have_data(watched)
    took["all over"] = [watched.wait_until(lambda alerts: not alerts, OVER_WITHIN)]
    return took


def _one_by_one(shop: Shop, watched: Monitoring, faults: Iterable[Fault]) -> dict[str, list[float]]:
    took = {}
    for fault in faults:
        took[fault.name] = [_raised(shop, watched, fault, set()), _over(watched, fault)]
    _boards_have_data(watched)
    return took


def _over(watched: Monitoring, fault: Fault) -> float:
    """Seconds until its alert is over after the repair. Fails if any other one fires meanwhile."""

    def silent(alerts: set[str]) -> bool:
        assert alerts <= {fault.alert}, f"the repair of {fault.name} raised {sorted(alerts)}"
        return not alerts

    return watched.wait_until(silent, OVER_WITHIN)


def _raised(shop: Shop, watched: Monitoring, fault: Fault, before: set[str]) -> float:
    """Seconds until its alert fires. Fails if any other one does that did not fire before."""
    with fault.lasting(shop):

        def only_this(alerts: set[str]) -> bool:
            assert alerts <= before | {fault.alert}, f"{fault.name} raised {sorted(alerts)}"
            return fault.alert in alerts

        return watched.wait_until(only_this, WITHIN)


def _boards_have_data(watched: Monitoring) -> None:
    # Nothing is published here, so the gauges of publishers need rows of one.
    cursor = Cursor.objects.create(publisher="kafka", slot=0, slots=1, first=0, position=0)
    held = HeldStream.objects.create(publisher="kafka", stream="order/1", position=1, since="2026-01-01T00:00:00Z")
    time.sleep(4)
    held.delete()
    cursor.delete()
    variables = dict.fromkeys(boards.variables(), ".+")
    empty = [
        f"{one.board}: {one.panel}: {one.text}"
        for one in boards.expressions()
        if not watched.of_range(one.filled_in(variables), 300)
    ]
    assert empty == []
    assert all(_values(watched, query) for query in boards.variables().values())


def _values(watched: Monitoring, query: str) -> list[str]:
    """Of `label_values(selector, label)`."""
    selector, label = query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
    return watched.values(label, selector)
