"""The orders service's periodic work."""

from celery import shared_task

from events import Queue
from events.retention import days_ago, in_batches
from events.routing import assign
from orders.models import IdempotentRequest

DAYS = 1
"""For as long is a request that is sent again answered with the first answer."""

assign("orders.prune_idempotent_requests", Queue.STREAMS)


@shared_task(name="orders.prune_idempotent_requests")
def prune_idempotent_requests() -> None:
    """Forgets the answers to yesterday's requests. Safe to run twice at once."""
    in_batches("idempotent requests", _delete)


def _delete(batch: int) -> int:
    """The oldest rows have the smallest ids: as many are looked at as are deleted, and the first young one ends it."""
    oldest = IdempotentRequest.objects.order_by("id").values_list("id", "created_at")[:batch]
    before = days_ago(DAYS)
    ids = [id_ for id_, created_at in oldest if created_at < before]
    return IdempotentRequest.objects.filter(id__in=ids).delete()[0]
