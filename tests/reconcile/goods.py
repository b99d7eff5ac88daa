"""Whether what left the stock is what was sold, in total and order by order."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from django.db.models import F, Sum

from inventory.models import Hold, ReservationState, Stock
from orders.models import OrderLine
from tests.reconcile.statuses import KEPT

SOLD = F("quantity") - F("returned_quantity") - F("cancelled_quantity")


def goods(stocked: dict[str, int]) -> list[str]:
    return [*_held(), *_sold(stocked), *_by_order()]


def _held() -> list[str]:
    return [
        f"{quantity} of {sku} are still held"
        for sku, quantity in Stock.objects.filter(held__gt=0).values_list("product_id", "held")
    ]


def _sold(stocked: dict[str, int]) -> list[str]:
    now = dict(Stock.objects.values_list("product_id").annotate(total=Sum("on_hand")))
    sold = dict(OrderLine.objects.filter(order__status__in=KEPT).values_list("sku").annotate(total=Sum(SOLD)))
    gone = dict(Hold.objects.values_list("stock__product_id").annotate(total=Sum("written_off")))
    return [
        f"{sku}: {before} - {sold.get(sku, 0)} sold - {gone.get(sku, 0)} written off is not {now.get(sku)}"
        for sku, before in stocked.items()
        if before - sold.get(sku, 0) - gone.get(sku, 0) != now.get(sku)
    ]


def _by_order() -> list[str]:
    """What is committed for an order is what it keeps, and for no other order is anything."""
    lines = OrderLine.objects.filter(order__status__in=KEPT).values_list("order_id", "sku", SOLD)
    holds = Hold.objects.filter(reservation__state=ReservationState.COMMITTED)
    committed: Counter[tuple[UUID, str]] = Counter()
    for order, sku, quantity in holds.values_list(
        "reservation_id", "stock__product_id", F("quantity") - F("restocked") - F("written_off")
    ):
        committed[order, sku] += quantity
    wanted = Counter({(order, sku): quantity for order, sku, quantity in lines})
    return [
        *(f"{n} of {sku} too many for order {order}" for (order, sku), n in (committed - wanted).items()),
        *(f"{n} of {sku} too few for order {order}" for (order, sku), n in (wanted - committed).items()),
    ]
