"""What lists of webhooks and of their deliveries can be narrowed to."""

from __future__ import annotations

from django_filters import rest_framework as filters

from notifications.models import Webhook, WebhookDelivery, WebhookDeliveryState


class WebhookFilters(filters.FilterSet):
    class Meta:
        model = Webhook
        fields: list[str] = []


class WebhookDeliveryFilters(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="state", choices=WebhookDeliveryState.choices)
    eventType = filters.CharFilter(field_name="event__type", max_length=100, label="A whole type")  # noqa: N815

    class Meta:
        model = WebhookDelivery
        fields: list[str] = []
