"""`python -m bench.mailing`: measures the CPU time of one confirmation e-mail.

This process handles the deliveries of confirmed orders as a worker does, on private servers and with a mail backend
that discards everything. The columns are microseconds of CPU per e-mail: in Python, in the subscriber alone, and in
PostgreSQL (all processes).
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench import cpu
from bench.orders import ADDRESS, PLENTY, SPREAD
from bench.sample import Sample, append
from bench.servers import Servers, servers

AT_ONCE = 500
WARM_UP = 500
SUBSCRIBER = "notifications.mail_confirmation"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.mailing")
    parser.add_argument("--orders", type=int, default=4000, help="e-mails per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--message", type=int, default=AT_ONCE, help="deliveries per message")
    parser.add_argument("--profile", type=Path, help="write a profile of the Python functions to this file")
    parser.add_argument("--samples", type=Path, help="append one line of JSON per round to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailing-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # under root, PostgreSQL runs as another user
        with servers(folder) as private:
            _settle_in(private)
            try:
                _measure(private, options)
            finally:
                _close()


def _measure(private: Servers, options: argparse.Namespace) -> None:
    worker = Worker(options.message)
    _confirm(WARM_UP)
    worker.work()
    print("mails   python us   of it the subscriber us   postgres us")
    for number in range(1, options.rounds + 1):
        _confirm(options.orders)
        figures = _cost(private, worker)
        print(
            f"{figures['mails']:5.0f}   {figures['python_us']:9.1f}   {figures['subscriber_us']:23.1f}   "
            f"{figures['postgres_us']:11.1f}"
        )
        if options.samples:
            append(options.samples, Sample(scenario="mailing", contender="ours", round=number, figures=figures))
    if options.profile:
        _confirm(options.orders)
        profile = cProfile.Profile()
        profile.runcall(worker.work)
        with options.profile.open("w") as output:
            pstats.Stats(profile, stream=output).sort_stats("tottime").print_stats(60).sort_stats(
                "cumulative"
            ).print_stats(100)


def _settle_in(private: Servers) -> None:
    """Configures Django for these servers and creates the schema and the products."""
    os.environ |= {
        "ENVIRONMENT": "stack",
        "DATABASE_URL": private.database("mailing"),
        "REDIS_URL": private.redis_url,
        "BROKER_URL": private.redis_url,
        "DJANGO_SETTINGS_MODULE": "orderproject.settings",
        "MAIL_DIR": "",
        "EMAIL_URL": "dummymail://",
    }
    import django

    django.setup()
    from django.core.management import call_command

    from inventory.models import Product, Stock, Warehouse

    call_command("migrate", interactive=False, verbosity=0)
    Warehouse.objects.create(code="BENCH", name="The benchmark's", priority=1)
    Product.objects.bulk_create(Product(sku=sku, name=sku.title(), price="9.90") for sku in SPREAD)
    Stock.objects.bulk_create(Stock(product_id=sku, warehouse_id="BENCH", on_hand=PLENTY) for sku in SPREAD)


def _close() -> None:
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


def _confirm(count: int) -> None:
    """Places and confirms this many orders, so that each has a pending delivery."""
    from events.log.aggregate import save_all
    from orders.models import Order
    from orders.services import Placement, Wanted, place_each

    customer = uuid4()
    for first in range(0, count, AT_ONCE):
        placed = place_each(
            [
                Placement(
                    customer, "EUR", "ada@example.com", "tok_visa", ADDRESS,
                    [Wanted(SPREAD[number % 50], 1), Wanted(SPREAD[(number + 7) % 50], 2)],
                )
                for number in range(first, min(first + AT_ONCE, count))
            ]
        )  # fmt: skip
        orders = [one for one in placed if isinstance(one, Order)]
        assert len(orders) == len(placed)
        for one in orders:
            one.confirm()
        save_all(orders)


@dataclass
class Worker:
    """Handles the pending deliveries of the mail subscriber, message by message."""

    message: int
    in_subscriber: float = 0.0
    """CPU seconds in the subscriber so far."""

    def work(self) -> int:
        """Handles all pending deliveries; returns the number of e-mails sent."""
        from django.db import connection

        from events.declare.subscribers import subscriber
        from events.delivery.handle import deliver

        found = subscriber(SUBSCRIBER)
        assert found
        timed = replace(found, handler=self._timed(found.handler))
        mails = 0
        for ids, lease in self._messages():
            deliver(timed, ids, lease)
            connection.close()  # as Celery does after each task
            mails += len(ids)
        return mails

    def _messages(self) -> Iterator[tuple[list[int], Any]]:
        """Claims deliveries as the relay does; yields the ids and the lease of each message."""
        from events.db.query import execute
        from events.delivery import sql

        while True:
            lease = uuid4()
            wanted = {"seconds": 60.0, "lease": lease, "subscribers": [SUBSCRIBER], "limit": self.message}
            rows = execute(sql.CLAIM, {**wanted, "inline": [], "traced": False})
            if not rows:
                return
            yield [row[0] for row in rows], lease

    def _timed(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        def timed(events: Any) -> Any:
            before = time.process_time()
            try:
                return handler(events)
            finally:
                self.in_subscriber += time.process_time() - before

        return timed


def _cost(private: Servers, worker: Worker) -> dict[str, float]:
    from notifications.models import Notification

    sent = Notification.objects.exclude(sent_at=None).count()
    roots = {"postgres": private.postgres.process.pid or 0}
    before, inside, python = cpu.seconds(roots)["postgres"], worker.in_subscriber, time.process_time()
    mails = worker.work()
    python = time.process_time() - python
    postgres = cpu.seconds(roots)["postgres"] - before
    if Notification.objects.exclude(sent_at=None).count() - sent != mails:
        raise SystemExit("not every e-mail was sent and recorded; see the log above")
    return {
        "mails": mails,
        "python_us": 1e6 * python / mails,
        "subscriber_us": 1e6 * (worker.in_subscriber - inside) / mails,
        "postgres_us": 1e6 * postgres / mails,
    }


if __name__ == "__main__":
    main()
