"""The query filters of lists of webhooks and of their deliveries."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from notifications.models import Webhook, WebhookDelivery, WebhookDeliveryState
from notifications.selectors import holding


class WebhookFilters(filters.FilterSet):
    class Meta:
        model = Webhook
        fields: list[str] = []


class WebhookDeliveryFilters(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="state", choices=WebhookDeliveryState.choices)
    eventType = filters.CharFilter(field_name="event__type", max_length=100, label="A complete event type")  # noqa: N815

    holds = filters.ChoiceFilter(
        method="that_hold",
        choices=[("true", "those that hold their stream")],
        label="`true`: only what holds its stream",
    )

    def that_hold(self, deliveries: QuerySet[WebhookDelivery], name: str, value: str) -> QuerySet[WebhookDelivery]:
        return holding(deliveries)

    class Meta:
        model = WebhookDelivery
        fields: list[str] = []
