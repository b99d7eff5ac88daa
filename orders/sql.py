"""The performance-critical SQL statements of the orders service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from events.db.keyed import Keyed
from events.db.query import execute
from orders.sales import Sales

# All concurrent batches update the same few rows (one per day and currency). Sorted keys prevent deadlocks.
ADD_DAILY_SALES = """
INSERT INTO orders_dailysales AS day (build, day, currency, confirmed, revenue, cancelled, returned, refunded)
SELECT %(build)s, * FROM unnest(%(days)s::date[], %(currencies)s::text[], %(confirmed)s::int[], %(revenue)s::numeric[],
                                %(cancelled)s::int[], %(returned)s::int[], %(refunded)s::numeric[])
ON CONFLICT (build, day, currency) DO UPDATE SET
    confirmed = day.confirmed + excluded.confirmed, revenue = day.revenue + excluded.revenue,
    cancelled = day.cancelled + excluded.cancelled, returned = day.returned + excluded.returned,
    refunded = day.refunded + excluded.refunded
"""

# One lookup in the unique index per order. OFFSET 0 keeps the planner from choosing a join: for a table without
# statistics it overestimates the rows per order and would scan the whole table.
LINES = Keyed("""
SELECT line.order_id, line.sku, line.name, line.quantity, line.unit_price FROM unnest(%s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (SELECT * FROM orders_orderline WHERE order_id = asked.id OFFSET 0) AS line
ORDER BY line.order_id, line.position
""")

# Uses the primary key.
HEADS = Keyed("""
SELECT id, number, email, currency, total, shipping_address::text, cancel_reason, cancel_detail,
       cancel_code, refund_due
FROM orders_order WHERE id = ANY(ARRAY(SELECT unnest(%s::uuid[])))
""")

# Uses the primary key.
DUE = Keyed("""
SELECT id, payment_token, total, currency FROM orders_order WHERE id = ANY(ARRAY(SELECT unnest(%s::uuid[])))
""")


def due(order_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    """Rows (order id, payment token, total, currency)."""
    return execute(DUE, [list(order_ids)])


def heads(order_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    """Rows (order id, number, e-mail, currency, total, address as JSON, cancel reason, cancel detail, cancel code,
    refund due)."""
    return execute(HEADS, [list(order_ids)])


def lines(order_ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    """Rows (order id, SKU, name, quantity, unit price), one per line."""
    return execute(LINES, [list(order_ids)])


def add_daily_sales(build: int, days: Mapping[tuple[date, str], Sales]) -> None:
    keys = sorted(days)
    sales = [days[key] for key in keys]
    execute(
        ADD_DAILY_SALES,
        {
            "build": build,
            "days": [day for day, _ in keys],
            "currencies": [currency for _, currency in keys],
            "confirmed": [one.confirmed for one in sales],
            "revenue": [one.revenue for one in sales],
            "cancelled": [one.cancelled for one in sales],
            "returned": [one.returned for one in sales],
            "refunded": [one.refunded for one in sales],
        },
    )
