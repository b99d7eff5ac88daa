"""Computes what a batch of events adds to the daily sales. Pure functions without database access."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from events import Money
from orders.events import OrderCancelled, OrderConfirmed, OrderReturned
from payments.events import PaymentRefunded

Sold = OrderConfirmed | OrderCancelled | OrderReturned | PaymentRefunded


@dataclass
class Sales:
    """The amounts to add to the row of one day and currency."""

    confirmed: int = 0
    revenue: Decimal = Decimal(0)
    cancelled: int = 0
    returned: int = 0
    refunded: Decimal = Decimal(0)


def tally(
    events: Sequence[Sold], times: Sequence[datetime], totals: Mapping[UUID, Money], sold: Collection[UUID]
) -> dict[tuple[date, str], Sales]:
    """Sums events by (day, currency). `totals` holds the totals of cancelled orders, which their events lack.

    `sold`: the refunded orders that were confirmed before. A refund of another one gives back no revenue.
    """
    days: dict[tuple[date, str], Sales] = defaultdict(Sales)
    for event, time in zip(events, times, strict=True):
        match event:
            case OrderConfirmed(total=money):
                day = days[time.date(), money.currency]
                day.confirmed += 1
                day.revenue += money.amount
            case OrderCancelled():
                days[time.date(), totals[event.order_id].currency].cancelled += 1
            case OrderReturned(refund=money):
                days[time.date(), money.currency].returned += 1
            case PaymentRefunded(order_id=order_id, amount=money) if order_id in sold:
                days[time.date(), money.currency].refunded += money.amount
    return days
