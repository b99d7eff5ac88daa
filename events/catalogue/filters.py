"""Filters of the list of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from events.declare.registry import declared
from events.log.watermark import first_since
from events.models import StoredEvent
from web.moments import MomentFilter

if TYPE_CHECKING:
    from datetime import datetime

ALL = ".*"


class EventFilters(filters.FilterSet):
    type = filters.CharFilter(method="_type", max_length=100, label="A whole type, or `<kind>.*` for all of a kind")
    stream = filters.CharFilter(max_length=200, label="`<kind>:<id>`")
    since = MomentFilter(method="_since", label="Recorded at or after; RFC 3339")

    class Meta:
        model = StoredEvent
        fields: list[str] = []

    def _type(self, queryset: QuerySet[StoredEvent], name: str, wanted: str) -> QuerySet[StoredEvent]:
        """Expands a kind to its types, because PostgreSQL then knows their frequency and can choose the right index."""
        if not wanted.endswith(ALL):
            return queryset.filter(type=wanted)
        kind = wanted.removesuffix("*")
        return queryset.filter(type__in=sorted({event.type for event in declared() if event.type.startswith(kind)}))

    def _since(self, queryset: QuerySet[StoredEvent], name: str, moment: datetime) -> QuerySet[StoredEvent]:
        """Time has no index, so a condition on the position bounds the scan."""
        return queryset.filter(time__gte=moment, position__gte=first_since(moment))
