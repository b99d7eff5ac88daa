"""One round: orders come in, a fault strikes among them, all settles, and everything is compared with everything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from tests.chaos.live import Live
from tests.chaos.load import PRODUCTS, Customers

LOAD = 3.0
"""Seconds over which a round's orders are spread; the fault strikes at some instant of them."""
SETTLED_WITHIN = 180.0


@dataclass(frozen=True)
class Seen:
    """What came of a round."""

    orders: int
    recovery: float
    problems: list[str]


def one_round(live: Live, fault: Callable[[Live], None], orders: int, chance: Random) -> Seen:
    customers = live.customers
    customers.log_in()
    before = len(customers.accepted)
    problems: list[str] = []

    def shop() -> None:
        with _told("the load", problems):
            customers.place(orders, chance, LOAD)

    load = threading.Thread(target=shop)
    moment = chance.random() * LOAD
    load.start()
    time.sleep(moment)
    with _told("the fault", problems):
        fault(live)
    ended = time.monotonic()
    load.join()
    settled = _wait_until_settled()
    recovery = time.monotonic() - ended
    if not settled:
        problems.append(f"not settled after {SETTLED_WITHIN:g} s: {_open()}")
    with _told("the reconciliation", problems):
        problems += _reconcile(live, customers)
    return Seen(len(customers.accepted) - before, recovery, problems)


@contextmanager
def _told(what: str, problems: list[str]) -> Iterator[None]:
    """An error in there is one more problem of the round."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is, the report must tell of it
        problems.append(f"{what}: {error!r}")


def _wait_until_settled() -> bool:
    deadline = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < deadline:
        if not any(_open().values()):
            return True
        time.sleep(0.1)
    return False


def _open() -> dict[str, int]:
    from django.db import Error, connections

    from events.models import Delivery
    from orders.models import Order
    from sagas.models import SagaRun

    try:
        return {
            "orders": Order.objects.filter(status="pending").count(),
            "sagas": SagaRun.objects.filter(state__in=["running", "compensating"]).count(),
            "deliveries": Delivery.objects.filter(state="pending").count(),
        }
    except Error as error:
        connections.close_all()
        return {f"PostgreSQL is away: {error}": 1}


def _reconcile(live: Live, customers: Customers) -> list[str]:
    from orders.models import Order
    from tests.reconcile import reconcile

    placed = {str(id_) for id_ in Order.objects.values_list("id", flat=True)}
    accepted = set(customers.accepted)
    return [
        *(f"order {id_} was accepted and is lost" for id_ in accepted - placed),
        *(f"order {id_} was never answered" for id_ in placed - accepted),
        *reconcile(PRODUCTS, live.sandbox_url, live.folder / "data" / "mail"),
    ]
