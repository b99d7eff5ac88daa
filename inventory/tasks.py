"""The periodic tasks of the inventory service."""

from datetime import UTC, datetime

from celery import shared_task

from events.declare.routing import assign
from inventory.events import INVENTORY
from inventory.models import Reservation, ReservationState
from inventory.services import release

BATCH = 500

assign("inventory.release_expired_holds", INVENTORY)


@shared_task(name="inventory.release_expired_holds")
def release_expired_holds() -> int:
    """Releases up to `BATCH` expired holds; returns how many. Safe to run concurrently."""
    expired = Reservation.objects.filter(state=ReservationState.HELD, expires_at__lt=datetime.now(UTC))
    ids = list(expired.order_by("expires_at").values_list("order_id", flat=True)[:BATCH])
    if ids:
        release(ids, "hold expired")
    return len(ids)
