"""The periodic tasks of the publishing service."""

from celery import shared_task
from django.conf import settings
from django.db.models import Q

from events.declare.queues import STREAMS
from events.declare.routing import assign
from events.delivery.retention import days_ago, in_batches
from publishing.models import ReceivedEvent, UnreadableMessage

assign("publishing.prune_inbox", STREAMS)


@shared_task(name="publishing.prune_inbox")
def prune_inbox() -> None:
    """Deletes old identities, and old messages that were retried or discarded. Safe to run concurrently."""
    in_batches("received events", _identities)
    in_batches("unreadable messages", _unreadable)


def _identities(batch: int) -> int:
    """Deletes up to `batch` of the oldest rows. It reads them by id, because the oldest rows have the smallest ids."""
    oldest = ReceivedEvent.objects.order_by("id").values_list("id", "received_at")[:batch]
    before = days_ago(settings.RETENTION_INBOX)
    ids = [id_ for id_, received_at in oldest if received_at < before]
    return ReceivedEvent.objects.filter(id__in=ids).delete()[0]


def _unreadable(batch: int) -> int:
    before = days_ago(settings.RETENTION_INBOX)
    old = UnreadableMessage.objects.filter(Q(retried_at__lt=before) | Q(discarded_at__lt=before))
    return UnreadableMessage.objects.filter(id__in=list(old.values_list("id", flat=True)[:batch])).delete()[0]
