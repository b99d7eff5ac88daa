"""Reading orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from events.models import StoredEvent
from orders.models import Order, OrderLine

REASONS = {
    "out_of_stock": "not everything you ordered is in stock.",
    "card_declined": "your card was declined.",
    "insufficient_funds": "your card was declined for insufficient funds.",
    "capture_failed": "your card could not be charged.",
}


def orders() -> QuerySet[Order]:
    """Orders with their lines: two statements for any number of them."""
    return Order.objects.prefetch_related(Prefetch("lines", OrderLine.objects.order_by("position")))


def payments_of(order_ids: Sequence[UUID]) -> dict[UUID, StoredEvent]:
    """The last event of each order's payment, from the log: one step of its unique index per order."""
    streams = [f"payment:{order_id}" for order_id in order_ids]
    last = StoredEvent.objects.filter(stream__in=streams).order_by("stream", "-stream_version").distinct("stream")
    return {UUID(event.stream.partition(":")[2]): event for event in last}


def story_of(order_id: UUID) -> list[StoredEvent]:
    """All that happened for an order, in every service, in the order in which it was recorded."""
    streams = [f"{kind}:{order_id}" for kind in ("order", "inventory", "payment", "notification")]
    return list(StoredEvent.objects.filter(stream__in=streams).order_by("position"))


def summaries(order_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    """What an e-mail says of each order."""
    return {order.id: _summary(order) for order in orders().filter(id__in=order_ids)}


def _summary(order: Order) -> Mapping[str, Any]:
    return {
        "number": order.number,
        "email": order.email,
        "total": str(order.money),
        "address": order.shipping_address,
        "cancel_text": REASONS.get(order.cancel_reason, order.cancel_detail or order.cancel_reason),
        "items": [
            {
                "name": line.name,
                "quantity": line.quantity,
                "line_total": f"{line.unit_price * line.quantity} {order.currency}",
            }
            for line in order.lines.all()
        ],
    }
