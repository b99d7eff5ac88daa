"""`python -m bench.soak [--quick]`: measures the memory of every process of the stack under steady load.

It places a hundred orders per second over HTTP for ten minutes (one minute with --quick), on a stack as `make run`
starts it. The last line of output is a `bench.sample.Sample`: the MiB of each process name at the start, in the middle
and at the end, and the growth in the second half, in MiB per hour. The first half fills caches and pools.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import psycopg

from bench.load import Result
from bench.orders import PLENTY, SPREAD
from bench.parts.timing import print_samples
from bench.sample import Sample
from bench.whole import Memory, Whole, whole_stack

MINUTES, QUICK = 10.0, 1.0
RATE = 100
WARM_UP = 5
"""Seconds of load before the first measurement."""
CLIENTS = 16
BATCH = 20.0
"""Seconds of one run of the load generator, whose access token is valid for 15 minutes."""
CATALOGUE = """
INSERT INTO inventory_product (sku, name, description, price, currency, active, low_stock)
SELECT sku, sku, '', 10, 'EUR', true, 0 FROM unnest(%(skus)s::text[]) AS sku;
"""
STOCK = """
INSERT INTO inventory_stock (product_id, warehouse_id, on_hand, held)
SELECT sku, 'BER', %(plenty)s, 0 FROM unnest(%(skus)s::text[]) AS sku
"""
UNFINISHED = "SELECT count(*) FROM orders_order WHERE status <> 'confirmed'"
DONE_WITHIN = 60.0


@dataclass
class Looks:
    """The memory at three times."""

    start: Mapping[str, Memory]
    middle: Mapping[str, Memory]
    end: Mapping[str, Memory]
    hours_between: float
    """The hours from the middle to the end."""

    def figures(self) -> dict[str, float]:
        found = {}
        for name, last in sorted(self.end.items()):
            first, middle = self.start.get(name, last), self.middle.get(name, last)
            found[f"{name}_rss_mib"] = round(last.rss, 1)
            found[f"{name}_pss_mib_start"] = round(first.pss, 1)
            found[f"{name}_pss_mib_middle"] = round(middle.pss, 1)
            found[f"{name}_pss_mib"] = round(last.pss, 1)
            found[f"{name}_growth_mib_per_hour"] = round((last.pss - middle.pss) / self.hours_between, 1)
        found["pss_mib"] = round(sum(one.pss for one in self.end.values()), 1)
        return found


def run(folder: Path, *, quick: bool = False) -> Sample:
    """Starts the stack with its data in `folder` and measures it."""
    minutes = QUICK if quick else MINUTES
    with whole_stack(folder, RATE_LIMIT="100000000") as stack:
        _stock(stack)
        clients = Clients(stack, minutes * 60 + WARM_UP)
        clients.start()
        time.sleep(WARM_UP)
        start = stack.memory()
        time.sleep(minutes * 30)
        middle, at = stack.memory(), time.monotonic()
        time.sleep(minutes * 30)
        looks = Looks(start, middle, stack.memory(), (time.monotonic() - at) / 3600)
        clients.join()
        problems = [*clients.problems, *_unfinished(stack)]
    settings = {"minutes": f"{minutes:g}", "orders_per_second": str(RATE)}
    return Sample(scenario="soak", contender="ours", figures=looks.figures(), settings=settings, problems=problems)


class Clients(threading.Thread):
    """Runs load generators one after the other until the time is over."""

    def __init__(self, stack: Whole, seconds: float) -> None:
        super().__init__(daemon=True)
        self.stack, self.seconds = stack, seconds
        self.problems: list[str] = []

    def run(self) -> None:
        until = time.monotonic() + self.seconds
        while (left := until - time.monotonic()) > 1:
            result = self._place(int(RATE * min(left, BATCH)))
            self.problems += [f"{count} requests failed: {why}" for why, count in result.failures.items()]

    def _place(self, orders: int) -> Result:
        port = str(httpx.URL(self.stack.url).port)
        asked = ("--port", port, "--orders", str(orders), "--clients", str(CLIENTS), "--rate", str(RATE))
        done = subprocess.run(
            [sys.executable, "-m", "bench.load", *asked],
            input=f"{_token(self.stack.url)}\ngo\n".encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=Result)


def _token(url: str) -> str:
    answer = httpx.post(f"{url}/api/v1/auth/token/", json={"username": "customer", "password": "customer"})
    return str(answer.raise_for_status().json()["access"])


def _stock(stack: Whole) -> None:
    wanted = {"skus": SPREAD, "plenty": PLENTY}
    with psycopg.connect(stack.environment["DATABASE_URL"]) as connection:
        connection.execute(CATALOGUE, wanted)
        connection.execute(STOCK, wanted)


def _unfinished(stack: Whole) -> list[str]:
    """Waits up to `DONE_WITHIN` seconds for all orders; returns the problems."""
    deadline = time.monotonic() + DONE_WITHIN
    with psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True) as connection:
        while True:
            (left,) = connection.execute(UNFINISHED).fetchone() or (0,)
            if not left:
                return []
            if time.monotonic() > deadline:
                return [f"{left} orders are not confirmed {DONE_WITHIN:g} s after the last one was placed"]
            time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--quick", action="store_true", help=f"measure for {QUICK:g} minute instead of {MINUTES:g}")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        print_samples([run(Path(folder), quick=parser.parse_args().quick)])


if __name__ == "__main__":
    main()
