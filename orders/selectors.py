"""Reading orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.fields.json import KT

from events.models import StoredEvent
from orders.models import Order, OrderLine

REASONS = {
    "out_of_stock": "not everything you ordered is in stock.",
    "card_declined": "your card was declined.",
    "insufficient_funds": "your card was declined for insufficient funds.",
    "capture_failed": "your card could not be charged.",
    "turned_back_by_staff": "we had to cancel it; please ask us.",
    "authorize_payment_failed": "your bank did not answer.",
    "capture_payment_failed": "your bank did not answer.",
}


def orders() -> QuerySet[Order]:
    """Orders with their lines: two statements for any number of them."""
    return Order.objects.prefetch_related(Prefetch("lines", OrderLine.objects.order_by("position")))


def visible_to(customer_id: UUID, *, everything: bool) -> QuerySet[Order]:
    """A customer sees its own, whoever may see orders sees all."""
    return orders() if everything else orders().filter(customer_id=customer_id)


SKEW = timedelta(minutes=1)
"""An order's id holds the time too: it is read from the same clock a moment later, if nobody sets it meanwhile."""


def created_after(queryset: QuerySet[Order], moment: datetime) -> QuerySet[Order]:
    """Exclusive. The ids bound the scan, for which `created_at` would need an index of its own."""
    return queryset.filter(created_at__gt=moment, id__gte=_first_id(moment, -SKEW))


def created_before(queryset: QuerySet[Order], moment: datetime) -> QuerySet[Order]:
    """Exclusive; see `created_after`."""
    return queryset.filter(created_at__lt=moment, id__lt=_first_id(moment, SKEW))


def _first_id(moment: datetime, skew: timedelta) -> UUID:
    """The smallest UUID of version 7 of that millisecond."""
    milliseconds = int((moment.timestamp() + skew.total_seconds()) * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def with_sku(queryset: QuerySet[Order], sku: str) -> QuerySet[Order]:
    """Orders with a line of this product: it stands in an order once, so a join finds each of them once."""
    return queryset.filter(lines__sku=sku)


def history_of(order_id: UUID) -> QuerySet[StoredEvent]:
    """The order's own stream, in order of version."""
    return StoredEvent.objects.filter(stream=f"order:{order_id}").order_by("stream_version")


def payments_of(order_ids: Sequence[UUID]) -> dict[UUID, StoredEvent]:
    """The last event of each order's payment, from the log: one step of its unique index per order.

    Each has `failure`, why the payment failed, also where something came after that; None if it did not fail.
    """
    streams = [f"payment:{order_id}" for order_id in order_ids]
    failed = StoredEvent.objects.filter(stream=OuterRef("stream"), type="payment.failed").order_by("-stream_version")
    last = (
        StoredEvent.objects.filter(stream__in=streams)
        .order_by("stream", "-stream_version")
        .distinct("stream")
        .annotate(failure=Subquery(failed.values(reason=KT("data__reason"))[:1]))
    )
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
