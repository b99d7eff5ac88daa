"""`python -m tests.chaos --rounds 10`: every fault so many times, at random instants, with everything reconciled.

Prints the seed, and a table of fault, rounds, orders and recovery time (the last order settled after the fault's
end, in seconds). Ends with 1 when anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import django
from rich.console import Console
from rich.table import Table

from tests.chaos.faults import FAULTS
from tests.chaos.live import Live, stack
from tests.chaos.load import Customers

SETTLED_WITHIN = 180.0
PRODUCTS = {f"CHAOS-{number}": 1_000_000 for number in range(18)} | {"CHAOS-RARE": 30, "CHAOS-NONE": 0}


@dataclass
class Tally:
    """What came of one kind of fault."""

    rounds: int = 0
    orders: int = 0
    recoveries: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def main() -> int:
    options = _options()
    console = Console(width=110)
    seed = options.seed if options.seed is not None else int(time.time())
    console.print(f"seed {seed}")
    chance = Random(seed)
    tallies: dict[str, Tally] = defaultdict(Tally)
    names = options.fault or list(FAULTS)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        Path(folder).chmod(0o755)
        settings = "tests.chaos.settings_doubling" if options.doubled else "orderproject.settings"
        with stack(Path(folder), settings) as live:
            _use(live)
            _stock()
            customers = Customers(live.url, list(PRODUCTS))
            for round_number in range(options.rounds):
                for name in chance.sample(names, len(names)):
                    tally = tallies[name]
                    recovery, problems = _round(live, customers, name, options.orders, chance)
                    tally.rounds += 1
                    tally.orders += options.orders
                    tally.recoveries.append(recovery)
                    tally.problems += problems
                    console.print(f"{round_number + 1} {name}: {recovery:.1f} s {'; '.join(problems)}", highlight=False)
                    if problems:
                        _keep_logs(live, console)
                        console.print(_table(tallies))
                        return 1
    console.print(_table(tallies))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault is tried")
    parser.add_argument("--orders", type=int, default=60, help="orders placed around each fault")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only this one; may be repeated")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--doubled", action="store_true", help="deliver every Celery message twice")
    return parser.parse_args()


def _use(live: Live) -> None:
    os.environ.update(live.environment)
    os.environ["DJANGO_SETTINGS_MODULE"] = "orderproject.settings"
    django.setup()


def _stock() -> None:
    from inventory.models import Product, Stock

    for sku, quantity in PRODUCTS.items():
        product = Product.objects.create(sku=sku, name=sku.title(), price=10)
        Stock.objects.create(product=product, warehouse_id="BER", on_hand=quantity // 2)
        Stock.objects.create(product=product, warehouse_id="RTM", on_hand=quantity - quantity // 2)


def _round(live: Live, customers: Customers, name: str, orders: int, chance: Random) -> tuple[float, list[str]]:
    seconds = 3.0
    failures: list[str] = []

    def shop() -> None:
        try:
            customers.place(orders, chance, seconds)
        except Exception as error:  # noqa: BLE001  told in the table
            failures.append(repr(error))

    load = threading.Thread(target=shop)
    load.start()
    time.sleep(chance.random() * seconds)
    FAULTS[name](live)
    ended = time.monotonic()
    load.join()
    settled = _wait_until_settled()
    problems = [*failures, *(_reconcile(live, customers) if settled else [f"not settled: {_open()}"])]
    return time.monotonic() - ended, problems


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


def _keep_logs(live: Live, console: Console) -> None:
    for file in [live.folder / "stack.log", *sorted((live.folder / "data" / "logs").glob("*.log"))]:
        console.print(f"--- {file.name}", highlight=False)
        console.print("\n".join(file.read_text(errors="replace").splitlines()[-25:]), highlight=False, markup=False)


def _table(tallies: dict[str, Tally]) -> Table:
    table = Table("fault", "rounds", "orders", "recovery, median", "recovery, worst", "lost or doubled")
    for name, tally in tallies.items():
        times = sorted(tally.recoveries)
        figures = (f"{times[len(times) // 2]:.1f} s", f"{times[-1]:.1f} s")
        table.add_row(name, str(tally.rounds), str(tally.orders), *figures, str(len(tally.problems)))
    rounds, orders = sum(t.rounds for t in tallies.values()), sum(t.orders for t in tallies.values())
    table.add_row("all", str(rounds), str(orders), "", "", str(sum(len(t.problems) for t in tallies.values())))
    return table


if __name__ == "__main__":
    sys.exit(main())
