"""The statements of the orders service that matter for speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from events import sql
from events.keyed import Keyed

if TYPE_CHECKING:
    from orders.subscribers import Sales

# One row per day and currency, which all batches want: sorted, so that two of them never wait for each other in a ring.
ADD_DAILY_SALES = """
INSERT INTO orders_dailysales AS day (build, day, currency, confirmed, revenue, cancelled, returned, given_back)
SELECT %(build)s, * FROM unnest(%(days)s::date[], %(currencies)s::text[], %(confirmed)s::int[], %(revenue)s::numeric[],
                                %(cancelled)s::int[], %(returned)s::int[], %(given_back)s::numeric[])
ON CONFLICT (build, day, currency) DO UPDATE SET
    confirmed = day.confirmed + excluded.confirmed, revenue = day.revenue + excluded.revenue,
    cancelled = day.cancelled + excluded.cancelled, returned = day.returned + excluded.returned,
    given_back = day.given_back + excluded.given_back
"""

# One look into the unique index for each order. OFFSET 0 keeps the planner from making a join of it: of a table
# that it has not analysed yet, it expects so many rows for a handful of orders that it would read them all.
LINES = Keyed("""
SELECT line.order_id, line.sku, line.name, line.quantity, line.unit_price FROM unnest(%s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (SELECT * FROM orders_orderline WHERE order_id = asked.id OFFSET 0) AS line
ORDER BY line.order_id, line.position
""")

# By primary key.
HEADS = Keyed("""
SELECT id, number, email, currency, total, shipping_address::text, cancel_reason, cancel_detail
FROM orders_order WHERE id = ANY(ARRAY(SELECT unnest(%s::uuid[])))
""")

# By primary key.
DUE = Keyed("""
SELECT id, payment_token, total, currency FROM orders_order WHERE id = ANY(ARRAY(SELECT unnest(%s::uuid[])))
""")


def due(order_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    """(order, token, total, currency): what each is to be paid with."""
    return sql.run(DUE, [list(order_ids)])


def heads(order_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    """(order, number, e-mail, currency, total, address as JSON, why cancelled, in what words)."""
    return sql.run(HEADS, [list(order_ids)])


def lines(order_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    """(order, SKU, name, quantity, unit price), line by line."""
    return sql.run(LINES, [list(order_ids)])


def add_daily_sales(build: int, days: Mapping[tuple[date, str], Sales]) -> None:
    keys = sorted(days)
    sales = [days[key] for key in keys]
    sql.run(
        ADD_DAILY_SALES,
        {
            "build": build,
            "days": [day for day, _ in keys],
            "currencies": [currency for _, currency in keys],
            "confirmed": [one.confirmed for one in sales],
            "revenue": [one.revenue for one in sales],
            "cancelled": [one.cancelled for one in sales],
            "returned": [one.returned for one in sales],
            "given_back": [one.given_back for one in sales],
        },
    )
