"""`load(database_url, orders)`: fills a database with a schema and a catalogue, and without orders."""

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

if TYPE_CHECKING:  # what needs the project's settings is imported once they are there
    from bench.growth.past import Past

DAYS = 730.0
ENDED = timedelta(hours=1)
"""For so long nobody has ordered anything when the measuring begins."""
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
INSERT INTO orders_dailysales (build, day, currency, confirmed, revenue, cancelled, returned, given_back)
SELECT 1, (updated_at AT TIME ZONE 'UTC')::date, currency, count(*), sum(total), 0, 0, 0
FROM orders_order GROUP BY 2, 3
"""
SOLD = "SELECT sku, sum(quantity) FROM orders_orderline GROUP BY sku"
SIZE = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True)
class Loaded:
    """`sold`: what of each SKU these orders keep; the stock is as it was, so before them there was so much more."""

    orders: int
    sold: dict[str, int]
    seconds: float
    gib: float
    """Of the whole database, with indexes."""


def load(
    database_url: str, orders: int, *, days: float = DAYS, skus: Sequence[str] | None = None, processes: int = 2
) -> Loaded:
    """So many confirmed orders of two products each, spread over the last days, with all that they left behind.

    Deliveries are there for the last 30 days and sagas for the last 90, as production's retention leaves them. With one
    process all happens in this one. Raises ValueError where there are orders already, or no products; a load that
    fails leaves the database without its indexes. Whoever measures next lets the server write a checkpoint first.
    """
    began = time.monotonic()
    configure(database_url)
    past = _past(database_url, orders, days, skus)
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


def _past(database_url: str, orders: int, days: float, skus: Sequence[str] | None) -> Past:
    from bench.growth.past import Past
    from bench.growth.story import Article

    with psycopg.connect(database_url) as connection:
        rows = connection.execute(ARTICLES, {"skus": list(skus) if skus is not None else None}).fetchall()
    if not rows:
        raise ValueError("there are no products with a shelf: make the catalogue first")
    forgotten = {
        "events_delivery": settings.RETENTION_DELIVERIES,
        "sagas_sagarun": settings.RETENTION_SAGAS,
        "sagas_sagastep": settings.RETENTION_SAGAS,
    }
    return Past(orders, days, datetime.now(UTC) - ENDED, tuple(Article(*row) for row in rows), forgotten)


def _fill(database_url: str, table: str, past: Past, parts: Sequence[Part]) -> None:
    from bench.growth.story import COLUMNS

    fill(database_url, table, COLUMNS[table].split(), past.lines_of(table), parts)
