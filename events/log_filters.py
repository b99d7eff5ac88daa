"""What the list of events can be narrowed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from events.models import StoredEvent
from events.registry import declared
from events.replays import first_since

if TYPE_CHECKING:
    from datetime import datetime

ALL = ".*"


class EventFilters(filters.FilterSet):
    type = filters.CharFilter(
        method="_type", max_length=100, label="Such as order.created, or order.* for all of a kind"
    )
    stream = filters.CharFilter(max_length=200, label="Such as `order:<id>`")
    since = filters.IsoDateTimeFilter(method="_since", label="Recorded at or after; RFC 3339")

    class Meta:
        model = StoredEvent
        fields: list[str] = []

    def _type(self, queryset: QuerySet[StoredEvent], name: str, wanted: str) -> QuerySet[StoredEvent]:
        """A kind is spelled out: PostgreSQL then knows how frequent its types are, and chooses its index by that."""
        if not wanted.endswith(ALL):
            return queryset.filter(type=wanted)
        kind = wanted.removesuffix("*")
        return queryset.filter(type__in=sorted({event.type for event in declared() if event.type.startswith(kind)}))

    def _since(self, queryset: QuerySet[StoredEvent], name: str, moment: datetime) -> QuerySet[StoredEvent]:
        """Time has no index; the positions of that time bound the scan."""
        return queryset.filter(time__gte=moment, position__gte=first_since(moment))
