"""`load(database_url, orders)` adds stored orders to a database that has a schema and products but no orders."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING

import psycopg
from django.conf import settings

from bench.growth.tables import Part, fill, make, strip
from bench.project import configure

if TYPE_CHECKING:  # needs configured settings, so it is imported later
    from bench.growth.history import History

DAYS = 730.0
ENDED = timedelta(hours=1)
"""The time between the last stored order and the measurement."""
LONGEST_FIRST = (
    "events_storedevent", "notifications_notification", "orders_orderline", "inventory_hold", "orders_order",
    "payments_payment", "inventory_reservation", "sagas_sagastep", "sagas_sagarun", "events_delivery",
)  # fmt: skip
ARTICLES = """
SELECT DISTINCT ON (product.sku) product.sku, product.name, product.price, product.currency, warehouse.code, stock.id
FROM inventory_product product JOIN inventory_stock stock ON stock.product_id = product.sku
JOIN inventory_warehouse warehouse ON warehouse.code = stock.warehouse_id
WHERE %(skus)s::text[] IS NULL OR product.sku = ANY(%(skus)s)
ORDER BY product.sku, warehouse.priority, warehouse.code
"""
DAILY_SALES = """
INSERT INTO orders_dailysales (build, day, currency, confirmed, revenue, cancelled, returned, refunded)
SELECT 1, (updated_at AT TIME ZONE 'UTC')::date, currency, count(*), sum(total), 0, 0, 0
FROM orders_order GROUP BY 2, 3
"""
SOLD = "SELECT sku, sum(quantity) FROM orders_orderline GROUP BY sku"
SIZE = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True)
class Loaded:
    """The loaded data. `sold` is the quantity of each SKU in these orders; the load does not change the stock."""

    orders: int
    sold: dict[str, int]
    seconds: float
    gib: float
    """The size of the whole database with indexes."""


def load(
    database_url: str, orders: int, *, days: float = DAYS, skus: Sequence[str] | None = None, processes: int = 2
) -> Loaded:
    """Loads confirmed orders of two products each, spread over the last `days`, with all their rows.

    As with production's retention, deliveries exist for the last 30 days and sagas for the last 90. With `processes=1`
    everything runs in this process. Raises ValueError if there are orders or no products. A failed load leaves the
    database without its indexes. Run CHECKPOINT before you measure.
    """
    began = time.monotonic()
    configure(database_url)
    past = _history(database_url, orders, days, skus)
    stripped = strip(database_url, LONGEST_FIRST)
    if processes == 1:
        for table in LONGEST_FIRST:
            _fill(database_url, table, past, stripped.of(table))
    else:
        others = ProcessPoolExecutor(processes, get_context("spawn"), initializer=configure, initargs=(database_url,))
        with others:
            filled = [others.submit(_fill, database_url, table, past, stripped.of(table)) for table in LONGEST_FIRST]
            for one in filled:
                one.result()
    with psycopg.connect(database_url, autocommit=True) as connection:
        make(connection, stripped.foreign_keys)
        connection.execute(DAILY_SALES)
        connection.execute("ANALYZE orders_dailysales")
        sold = {sku: int(quantity) for sku, quantity in connection.execute(SOLD).fetchall()}
        (size,) = connection.execute(SIZE).fetchone() or (0,)
    return Loaded(orders, sold, time.monotonic() - began, size / 2**30)


def _history(database_url: str, orders: int, days: float, skus: Sequence[str] | None) -> History:
    from bench.growth.history import History
    from bench.growth.row_template import Article

    with psycopg.connect(database_url) as connection:
        rows = connection.execute(ARTICLES, {"skus": list(skus) if skus is not None else None}).fetchall()
    if not rows:
        raise ValueError("there are no products with stock: seed the catalogue first")
    retention = {
        "events_delivery": settings.RETENTION_DELIVERIES,
        "sagas_sagarun": settings.RETENTION_SAGAS,
        "sagas_sagastep": settings.RETENTION_SAGAS,
    }
    return History(orders, days, datetime.now(UTC) - ENDED, tuple(Article(*row) for row in rows), retention)


def _fill(database_url: str, table: str, past: History, parts: Sequence[Part]) -> None:
    from bench.growth.row_template import COLUMNS

    fill(database_url, table, COLUMNS[table].split(), past.lines_of(table), parts)
