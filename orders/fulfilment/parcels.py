"""What carriers report of parcels. An order is delivered when each of its parcels is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from orders.errors import UnknownParcel
from orders.fulfilment import service
from orders.models import Order, Shipment, Status


def deliver_parcel(carrier: str, tracking_number: str, delivered_at: datetime | None = None) -> None:
    """Notes that the customer has this parcel. Idempotent: a parcel is delivered once.

    The order becomes delivered if nothing of it is left to ship and each other parcel has been delivered. Raises
    UnknownParcel for a parcel that has not been shipped.
    """
    with transaction.atomic():
        for order_id in _orders_of(carrier, tracking_number):
            order = service.locked(order_id)
            parcels = _parcels(carrier, tracking_number).filter(order=order, delivered_at=None)
            if parcels.update(delivered_at=delivered_at or Now()):
                deliver_if_arrived(order)


def _orders_of(carrier: str, tracking_number: str) -> list[UUID]:
    """Sorted, so that two transactions never wait for each other."""
    found = sorted(set(_parcels(carrier, tracking_number).values_list("order_id", flat=True)))
    if not found:
        raise UnknownParcel(
            f"No shipment has the tracking number {tracking_number!r} of carrier {carrier!r}. Ship the order with this"
            " carrier and number, then retry; or discard the message if the parcel is not ours."
        )
    return found


def _parcels(carrier: str, tracking_number: str) -> QuerySet[Shipment]:
    """Plan: the index on the tracking number."""
    return Shipment.objects.filter(tracking_number=tracking_number, carrier__iexact=carrier)


def deliver_if_arrived(order: Order) -> None:
    """Marks a locked order as delivered if all of it is shipped and each parcel was reported as delivered."""
    if order.status == Status.SHIPPED and not Shipment.objects.filter(order=order, delivered_at=None).exists():
        order.deliver()
        order.save(update_fields=["status"])
