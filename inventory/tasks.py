"""Inventory's periodic work."""

from datetime import UTC, datetime

from celery import shared_task

from events import Queue
from events.routing import assign
from inventory.models import Reservation, ReservationState
from inventory.services import release

BATCH = 500

assign("inventory.release_expired_holds", Queue.INVENTORY)


@shared_task(name="inventory.release_expired_holds")
def release_expired_holds() -> None:
    """Goods that were held for too long go back on sale. Safe to run twice at once."""
    expired = Reservation.objects.filter(state=ReservationState.HELD, expires_at__lt=datetime.now(UTC))
    ids = list(expired.order_by("expires_at").values_list("order_id", flat=True)[:BATCH])
    if ids:
        release(ids, "hold expired")
