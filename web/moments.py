"""Moments that clients send, kept within what Python and PostgreSQL can both compute with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import IsoDateTimeFilter

from web.calendar import within_calendar


class MomentField(IsoDateTimeField):
    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        return moment if moment is None else within_calendar(moment)


class MomentFilter(IsoDateTimeFilter):
    """A filter by a time in RFC 3339."""

    field_class = MomentField
