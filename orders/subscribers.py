"""Which events the orders service keeps count of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from events import Money, Queue, subscribe
from orders.events import OrderCancelled, OrderConfirmed, OrderReturned
from orders.models import DailySales
from orders.selectors import totals_of
from orders.sql import add_daily_sales

Sold = OrderConfirmed | OrderCancelled | OrderReturned


@dataclass
class Sales:
    """What a batch adds to one day's row."""

    confirmed: int = 0
    revenue: Decimal = Decimal(0)
    cancelled: int = 0
    returned: int = 0
    given_back: Decimal = Decimal(0)


@subscribe(
    OrderConfirmed, OrderCancelled, OrderReturned,
    queue=Queue.STREAMS, batch=1000, replay=True, read_model=DailySales,
)  # fmt: skip
def daily_sales(events: Sequence[Sold], times: Sequence[datetime], build: int) -> None:
    """Counts what is sold, cancelled and returned, by day and currency."""
    totals = totals_of([event.order_id for event in events if isinstance(event, OrderCancelled)])
    add_daily_sales(build, tally(events, times, totals))


def tally(
    events: Sequence[Sold], times: Sequence[datetime], totals: Mapping[UUID, Money]
) -> dict[tuple[date, str], Sales]:
    """`totals`: what the cancelled orders came to, for a cancellation does not say."""
    days: dict[tuple[date, str], Sales] = defaultdict(Sales)
    for event, time in zip(events, times, strict=True):
        match event:
            case OrderConfirmed(total=money):
                day = days[time.date(), money.currency]
                day.confirmed += 1
                day.revenue += money.amount
            case OrderCancelled(was_confirmed=was_confirmed):
                money = totals[event.order_id]
                day = days[time.date(), money.currency]
                day.cancelled += 1
                day.given_back += money.amount * was_confirmed
            case OrderReturned(refund=money):
                day = days[time.date(), money.currency]
                day.returned += 1
                day.given_back += money.amount
    return days
