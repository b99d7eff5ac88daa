"""Filters of the list of dead letters."""

from __future__ import annotations

from django_filters import rest_framework as filters

from events.models import Delivery
from web.moments import MomentFilter


class DeadLetterFilters(filters.FilterSet):
    """Filters on the annotations that `dead_letters()` adds."""

    subscriber = filters.CharFilter(max_length=150, label="The subscriber's full name")
    errorType = filters.CharFilter(field_name="error_type", max_length=200, label="The last attempt's error type")  # noqa: N815
    since = MomentFilter(field_name="died_at", lookup_expr="gte", label="Dead-lettered at or after; RFC 3339")

    class Meta:
        model = Delivery
        fields: list[str] = []
