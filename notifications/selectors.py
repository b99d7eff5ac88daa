"""Reading webhooks: an owner sees its own."""

from __future__ import annotations

from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from notifications.models import Webhook, WebhookAttempt, WebhookDelivery


def webhooks_of(owner_id: UUID) -> QuerySet[Webhook]:
    return Webhook.objects.filter(owner_id=owner_id, deleted_at=None)


def deliveries_of(webhook: Webhook) -> QuerySet[WebhookDelivery]:
    """With their events and the log of their attempts: two statements for any number of them."""
    return webhook.deliveries.select_related("event").prefetch_related("tries")


def with_last_try(deliveries: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    """Each has `last_status` and `last_error`."""
    last = WebhookAttempt.objects.filter(delivery=OuterRef("pk")).order_by("-id")
    return deliveries.annotate(
        last_status=Subquery(last.values("response_status")[:1]), last_error=Subquery(last.values("error")[:1])
    )
