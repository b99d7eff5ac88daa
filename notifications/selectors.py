"""Queries that read webhooks and their deliveries."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from notifications.models import Webhook, WebhookAttempt, WebhookDelivery, WebhookDeliveryState


def webhooks_of(owner_id: UUID) -> QuerySet[Webhook]:
    return Webhook.objects.filter(owner_id=owner_id, deleted_at=None)


def deliveries_of(webhook: Webhook) -> QuerySet[WebhookDelivery]:
    """The webhook's deliveries with their events and attempts; two statements for any number of deliveries."""
    return webhook.deliveries.select_related("event").prefetch_related("tries")


def holding(deliveries: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    """Those that have failed and hold back the later events of their stream."""
    failed = Q(state=WebhookDeliveryState.FAILED) | Q(state=WebhookDeliveryState.PENDING, attempts__gt=0)
    return deliveries.filter(failed, stream__isnull=False)


def with_last_try(deliveries: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    """Annotates `last_status` and `last_error` of each delivery's last attempt, and `tries_in_all`."""
    tries = WebhookAttempt.objects.filter(delivery=OuterRef("pk"))
    last, counted = tries.order_by("-id"), tries.order_by().values("delivery").annotate(count=Count("id"))
    return deliveries.annotate(
        last_status=Subquery(last.values("response_status")[:1]), last_error=Subquery(last.values("error")[:1]),
        tries_in_all=Coalesce(Subquery(counted.values("count")), 0),
    )  # fmt: skip
