"""The periodic tasks of the orders service."""

from celery import shared_task

from events.declare.queues import STREAMS
from events.declare.routing import assign
from events.delivery.retention import days_ago, in_batches
from orders.models import IdempotentRequest

DAYS = 1
"""How many days the answers to idempotent requests are kept."""

assign("orders.prune_idempotent_requests", STREAMS)


@shared_task(name="orders.prune_idempotent_requests")
def prune_idempotent_requests() -> int:
    """Deletes answers that are older than `DAYS`; returns how many. Safe to run concurrently."""
    return in_batches("idempotent requests", _delete)


def _delete(batch: int) -> int:
    """Deletes up to `batch` of the oldest rows. It reads them by id, because the oldest rows have the smallest ids."""
    oldest = IdempotentRequest.objects.order_by("id").values_list("id", "created_at")[:batch]
    before = days_ago(DAYS)
    ids = [id_ for id_, created_at in oldest if created_at < before]
    return IdempotentRequest.objects.filter(id__in=ids).delete()[0]
