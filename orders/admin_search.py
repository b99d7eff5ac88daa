"""Searching orders in the admin. The queries use indexes and never count a table of millions of rows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RadioFilter

from desk.readonly import as_uuid
from orders.models import Order
from orders.selectors import created_after

NUMBER = re.compile(r"^\d{6}-[0-9A-Z]{5}-[0-9A-Z]{5}$")


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def matching(orders: QuerySet[Order], term: str) -> QuerySet[Order]:
    """Finds orders by number, id, customer id or complete e-mail address. Only the e-mail search has no index."""
    term = term.strip()
    if NUMBER.match(term.upper()):
        return orders.filter(number=term.upper())
    if wanted := as_uuid(term):
        return orders.filter(Q(id=wanted) | Q(customer_id=wanted))
    return orders.filter(email=term) if "@" in term else orders.none()


class CreatedFilter(RadioFilter):
    title = "created"
    parameter_name = "created"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("hour", "In the last hour"),
            ("today", "Today"),
            ("7", "In the last 7 days"),
            ("30", "In the last 30 days"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        known = {
            "hour": datetime.now(UTC) - timedelta(hours=1),
            "today": today(),
            "7": today() - timedelta(days=7),
            "30": today() - timedelta(days=30),
        }
        since = known.get(self.value() or "")
        return created_after(queryset, since) if since else queryset
