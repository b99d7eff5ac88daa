"""Operations on confirmed orders: ship, deliver, return, refund. Each runs in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from events import Money
from orders.errors import StaleVersion
from orders.events import Goods
from orders.models import (
    OWED,
    Order,
    OrderLine,
    RefundRequest,
    Return,
    ReturnLine,
    ReturnStatus,
    Shipment,
    ShipmentLine,
    Status,
)


def ship(
    order_id: UUID, items: Sequence[Goods], *, carrier: str, tracking_number: str, expected_version: int | None = None
) -> Shipment:
    """Ships items that are not shipped yet, in one parcel. Not idempotent: a second call ships more.

    Raises Order.DoesNotExist, StaleVersion, IllegalTransition and ImpossibleQuantity.
    """
    with transaction.atomic():
        order = locked(order_id, expected_version)
        shipment = Shipment(order=order, carrier=carrier, tracking_number=tracking_number)
        order.ship(shipment.id, items, carrier, tracking_number)
        order.save(update_fields=["status"])
        shipment.save(force_insert=True)
        lines = [(line, item.quantity) for line, item in order.with_lines(items)]
        ShipmentLine.objects.bulk_create(ShipmentLine(shipment=shipment, line=line, quantity=n) for line, n in lines)
        OrderLine.objects.bulk_update([line for line, _ in lines], ["shipped_quantity"])
    return shipment


def deliver(order_id: UUID, *, expected_version: int | None = None) -> Order:
    """Marks the order as delivered. Raises Order.DoesNotExist, StaleVersion and IllegalTransition."""
    with transaction.atomic():
        order = locked(order_id, expected_version)
        order.deliver()
        order.save(update_fields=["status"])
    return order


def return_items(order_id: UUID, items: Sequence[Goods], *, reason: str, expected_version: int | None = None) -> Return:
    """Takes back some of what the customer has, without a request; `ReturnOrder` then refunds and restocks it.

    It goes back to the warehouses that it came from.

    Raises Order.DoesNotExist, StaleVersion, IllegalTransition and ImpossibleQuantity.
    """
    with transaction.atomic():
        order = locked(order_id, expected_version)
        taken = Return(order=order, reason=reason, status=ReturnStatus.RECEIVED)
        taken.refund = order.return_items(taken.id, items, reason).amount
        order.save(update_fields=["status", *OWED])
        taken.save(force_insert=True)
        lines = [(line, item.quantity) for line, item in order.with_lines(items)]
        ReturnLine.objects.bulk_create(ReturnLine(taken=taken, line=line, quantity=n, restocked=n) for line, n in lines)
        OrderLine.objects.bulk_update([line for line, _ in lines], ["returned_quantity"])
    return taken


def request_refund(order_id: UUID, amount: Money, *, reason: str, expected_version: int | None = None) -> RefundRequest:
    """Refunds money without a return, by the saga `RefundOrder`. Not idempotent: a second call refunds more.

    Raises Order.DoesNotExist, StaleVersion, IllegalTransition and ImpossibleRefund.
    """
    with transaction.atomic():
        order = locked(order_id, expected_version)
        refund = RefundRequest(order=order, amount=amount.amount, reason=reason)
        order.request_refund(refund.id, amount, reason)
        order.save(update_fields=OWED)
        refund.save(force_insert=True)
    return refund


def shippable(order: Order) -> dict[OrderLine, int]:
    """The quantity of each line that can still be shipped."""
    if order.status not in {Status.CONFIRMED, Status.PARTIALLY_SHIPPED}:
        return {}
    return {line: line.to_ship for line in order.lines.all() if line.to_ship}


def refund_of(order: Order, items: Sequence[Goods]) -> Money:
    """What the cancellation of these items of a paid order refunds. Raises ImpossibleQuantity for an unknown SKU."""
    cost = sum((line.unit_price * item.quantity for line, item in order.with_lines(items)), Decimal(0))
    return Money(min(cost, order.refundable), order.currency)


def locked(order_id: UUID, expected_version: int | None = None) -> Order:
    """Locks the order, so that no other transaction ships or returns its items until this one ends.

    Raises Order.DoesNotExist, and StaleVersion if the order is not at `expected_version`.
    """
    order = Order.objects.select_for_update().prefetch_related("lines", "returns__lines__line").get(id=order_id)
    if expected_version is not None and order.version != expected_version:
        raise StaleVersion(
            f"Order {order.number} is at version {order.version}, not {expected_version}. Read it again, then retry."
        )
    return order
