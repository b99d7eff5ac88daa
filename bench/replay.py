"""`python -m bench.replay --database-url U --redis-url U [--quick]`: measures rebuilding a read model.

It runs `manage.py replay orders.daily_sales` on 200 000 stored orders (20 000 with --quick). Each order has seven
events, of which the read model uses one. The rebuilt model must equal the original.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from bench.growth import load
from bench.parts.timing import options, print_samples
from bench.project import configure, make_schema
from bench.sample import Sample

ORDERS, QUICK = 200_000, 20_000
SUBSCRIBER = "orders.daily_sales"
Sales = list[tuple[date, int, Decimal]]


def run(database_url: str, redis_url: str, *, quick: bool = False) -> Iterator[Sample]:
    """Needs an empty database. `per_second` counts the events that the read model handles."""
    configure(database_url, redis_url)
    make_schema()
    from django.core.management import call_command

    from events.models import StoredEvent

    call_command("seed", verbosity=0)
    load(database_url, QUICK if quick else ORDERS)
    before = _sales()
    began = time.perf_counter()
    call_command("replay", SUBSCRIBER, "--yes", "--reason", "benchmark", stdout=io.StringIO())
    took = time.perf_counter() - began
    log, handled = StoredEvent.objects.count(), sum(confirmed for _, confirmed, _ in _sales())
    yield Sample(
        scenario="replay",
        contender="ours",
        figures={"per_second": round(handled / took, 1), "log_per_second": round(log / took, 1)},
        settings={"events": str(handled), "log": str(log), "subscriber": SUBSCRIBER},
        problems=[] if _sales() == before else ["the rebuilt read model differs from the original"],
    )


def _sales() -> Sales:
    from orders.models import DailySales

    return list(DailySales.objects.live().order_by("day").values_list("day", "confirmed", "revenue"))


def main() -> None:
    asked = options("bench.replay")
    print_samples(run(asked.database_url, asked.redis_url, quick=asked.quick))


if __name__ == "__main__":
    main()
