"""How a person finds orders in a table of millions: by an index where there is one, never by counting."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RadioFilter

from orders.models import Order

NUMBER = re.compile(r"^\d{6}-[0-9A-Z]{5}-[0-9A-Z]{5}$")
SLACK = timedelta(minutes=1)
"""An order's id is made an instant away from its `created_at`."""


def first_id(moment: datetime) -> UUID:
    """The smallest UUID version 7 of this moment: ids stand in the order of time, so they serve as its index."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)


def created_since(orders: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    return orders.filter(id__gte=first_id(moment - SLACK), created_at__gte=moment)


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def matching(orders: QuerySet[Order], term: str) -> QuerySet[Order]:
    """By number, id, customer's id or whole e-mail address; only the last reads without an index."""
    term = term.strip()
    if NUMBER.match(term.upper()):
        return orders.filter(number=term.upper())
    try:
        wanted = UUID(term)
    except ValueError:
        return orders.filter(email=term) if "@" in term else orders.none()
    return orders.filter(Q(id=wanted) | Q(customer_id=wanted))


class CreatedFilter(RadioFilter):
    title = "created"
    parameter_name = "created"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hour", "In the last hour"), ("today", "Today"), ("7", "In the last 7 days"), ("30", "In 30 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        known = {
            "hour": datetime.now(UTC) - timedelta(hours=1),
            "today": today(),
            "7": today() - timedelta(days=7),
            "30": today() - timedelta(days=30),
        }
        since = known.get(self.value() or "")
        return created_since(queryset, since) if since else queryset
