"""What a list of dead letters can be narrowed to."""

from __future__ import annotations

from django_filters import rest_framework as filters

from events.models import Delivery


class DeadLetterFilters(filters.FilterSet):
    """On the annotations of `dead_letters()`."""

    subscriber = filters.CharFilter(max_length=150, label="The subscriber's whole name")
    errorType = filters.CharFilter(field_name="error_type", max_length=200, label="The last attempt's error")  # noqa: N815
    since = filters.IsoDateTimeFilter(field_name="died_at", lookup_expr="gte", label="Died at or after; RFC 3339")

    class Meta:
        model = Delivery
        fields: list[str] = []
