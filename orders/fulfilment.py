"""What is done with an order once it is confirmed: shipped, delivered, returned; each in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from orders.events import Goods
from orders.models import Order, OrderLine, Return, ReturnLine, Shipment, ShipmentLine, Status
from orders.services import StaleVersion


def ship(
    order_id: UUID, items: Sequence[Goods], *, carrier: str, tracking_number: str, expected_version: int | None = None
) -> Shipment:
    """Some of what is still to be shipped, in one parcel.

    Raises Order.DoesNotExist, StaleVersion, IllegalTransition and ImpossibleQuantity.
    """
    with transaction.atomic():
        order = _locked(order_id, expected_version)
        shipment = Shipment(order=order, carrier=carrier, tracking_number=tracking_number)
        order.ship(shipment.id, items, carrier, tracking_number)
        order.save(update_fields=["status"])
        shipment.save(force_insert=True)
        lines = [(line, item.quantity) for line, item in order.with_lines(items)]
        ShipmentLine.objects.bulk_create(ShipmentLine(shipment=shipment, line=line, quantity=n) for line, n in lines)
        OrderLine.objects.bulk_update([line for line, _ in lines], ["shipped_quantity"])
    return shipment


def deliver(order_id: UUID, *, expected_version: int | None = None) -> Order:
    """Raises Order.DoesNotExist, StaleVersion and IllegalTransition."""
    with transaction.atomic():
        order = _locked(order_id, expected_version)
        order.deliver()
        order.save(update_fields=["status"])
    return order


def take_back(order_id: UUID, items: Sequence[Goods], *, reason: str, expected_version: int | None = None) -> Return:
    """Some of what the customer has; `ReturnOrder` then refunds and restocks it.

    Raises Order.DoesNotExist, StaleVersion, IllegalTransition and ImpossibleQuantity.
    """
    with transaction.atomic():
        order = _locked(order_id, expected_version)
        taken = Return(order=order, reason=reason)
        taken.refund = order.take_back(taken.id, items, reason).amount
        order.save(update_fields=["status"])
        taken.save(force_insert=True)
        lines = [(line, item.quantity) for line, item in order.with_lines(items)]
        ReturnLine.objects.bulk_create(ReturnLine(taken=taken, line=line, quantity=n) for line, n in lines)
        OrderLine.objects.bulk_update([line for line, _ in lines], ["returned_quantity"])
    return taken


def shippable(order: Order) -> dict[OrderLine, int]:
    """What is still to be shipped, by line."""
    if order.status not in {Status.CONFIRMED, Status.PARTIALLY_SHIPPED}:
        return {}
    return {line: line.to_ship for line in order.lines.all() if line.to_ship}


def returnable(order: Order) -> dict[OrderLine, int]:
    """What the customer has and may give back, by line."""
    if order.status != Status.DELIVERED:
        return {}
    return {line: line.to_return for line in order.lines.all() if line.to_return}


def _locked(order_id: UUID, expected_version: int | None) -> Order:
    """Nobody else ships or returns anything of this order until the end of the transaction."""
    order = Order.objects.select_for_update().prefetch_related("lines").get(id=order_id)
    if expected_version is not None and order.version != expected_version:
        raise StaleVersion(f"order {order.number} is at version {order.version}, not {expected_version}")
    return order
