"""What is counted of orders: by the log, so each order counts once, whatever is killed or retried."""

from __future__ import annotations

from events.db.query import execute
from events.log.tally import tally
from events.metrics.declare import Counter, Histogram, Memory
from events.tracing.spans import recording
from orders.selectors import REASONS

PERSON, OTHER = "person", "other"

PLACED = Counter("orders_placed_total", "Orders accepted.", ("currency",))
CONFIRMED = Counter("orders_confirmed_total", "Orders confirmed: in stock and paid.", ("currency",))
REVENUE = Counter(
    "orders_revenue_total", "Totals of confirmed orders, in units of the currency; refunds are not subtracted.",
    ("currency",),
)  # fmt: skip
REFUNDED = Counter("orders_refunded_total", "Money refunded, in units of the currency.", ("currency",))
CANCELLED = Counter(
    "orders_cancelled_total", "Orders cancelled, by the shop's reason; person: a customer or staff cancelled.",
    ("reason",), known=lambda: [(reason,) for reason in (*REASONS, PERSON, OTHER)],
)  # fmt: skip
SETTLING = Histogram(
    "orders_settling_seconds", "Time from placing an order until it was confirmed, or cancelled instead.", ("outcome",),
    known=lambda: [("confirmed",), ("cancelled",)],
)  # fmt: skip

# Plan: ranges of the index on (type, position).
PLACED_BY_CURRENCY = """
SELECT data -> 'total' ->> 'currency', count(*) FROM events_storedevent
WHERE type = 'order.created' AND position > %s AND position <= %s GROUP BY 1
"""
CANCELLED_BY_REASON = """
SELECT coalesce(data ->> 'code', ''), count(*) FROM events_storedevent
WHERE type = 'order.cancelled' AND position > %s AND position <= %s GROUP BY 1
"""
REFUNDED_BY_CURRENCY = """
SELECT data -> 'amount' ->> 'currency', sum((data -> 'amount' ->> 'amount')::numeric)::float8 FROM events_storedevent
WHERE type = 'payment.refunded' AND position > %s AND position <= %s GROUP BY 1
"""
# The same, and for each one lookup of the first event of its stream.
CONFIRMED_ORDERS = """
SELECT confirmed.currency, count(*), sum(confirmed.amount)::float8,
       array_agg(extract(epoch FROM confirmed.time - created.time)::float8),
       coalesce(array_agg(created.traceparent) FILTER (WHERE %s), '{}')
FROM (SELECT stream, time, data -> 'total' ->> 'currency' AS currency,
             (data -> 'total' ->> 'amount')::numeric AS amount
      FROM events_storedevent WHERE type = 'order.confirmed' AND position > %s AND position <= %s OFFSET 0) confirmed
CROSS JOIN LATERAL (SELECT time, traceparent FROM events_storedevent first
                    WHERE first.stream = confirmed.stream AND first.stream_version = 1 OFFSET 0) created
GROUP BY 1
"""
NEVER_CONFIRMED = """
SELECT coalesce(array_agg(extract(epoch FROM cancelled.time - created.time)::float8), '{}'),
       coalesce(array_agg(created.traceparent) FILTER (WHERE %s), '{}')
FROM (SELECT stream, time FROM events_storedevent
      WHERE type = 'order.cancelled' AND position > %s AND position <= %s
        AND data ->> 'wasConfirmed' IS DISTINCT FROM 'true' OFFSET 0) cancelled
CROSS JOIN LATERAL (SELECT time, traceparent FROM events_storedevent first
                    WHERE first.stream = cancelled.stream AND first.stream_version = 1 OFFSET 0) created
"""


@tally
def count_orders(after: int, until: int, into: Memory) -> None:
    """Five statements for any number of events."""
    for currency, number in execute(PLACED_BY_CURRENCY, [after, until]):
        PLACED.add(number, currency, into=into)
    for code, number in execute(CANCELLED_BY_REASON, [after, until]):
        reason = code if code in REASONS else OTHER if code else PERSON
        CANCELLED.add(number, reason, into=into)
    for currency, amount in execute(REFUNDED_BY_CURRENCY, [after, until]):
        REFUNDED.add(amount, currency, into=into)
    for currency, number, amount, seconds, traces in execute(CONFIRMED_ORDERS, [recording(), after, until]):
        CONFIRMED.add(number, currency, into=into)
        REVENUE.add(amount, currency, into=into)
        SETTLING.observe_all(seconds, "confirmed", into=into, traces=traces)
    for seconds, traces in execute(NEVER_CONFIRMED, [recording(), after, until]):
        SETTLING.observe_all(seconds, "cancelled", into=into, traces=traces)
