"""What a person does about dead letters."""

from collections.abc import Collection

from django.db import transaction
from django.db.models.functions import Now

from events import wake
from events.models import Delivery, DeliveryState


def retry_dead(ids: Collection[int]) -> int:
    """Dead deliveries are due again, with all their attempts before them; the record of what failed stays.

    Returns how many were dead: the others are left alone.
    """
    dead = Delivery.objects.filter(id__in=ids, state=DeliveryState.DEAD)
    with transaction.atomic():
        retried = dead.update(state=DeliveryState.PENDING, attempts=0, due_at=Now(), lease=None)
        if retried:
            transaction.on_commit(wake.relay)
    return retried
