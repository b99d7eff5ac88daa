"""What notifications needs to know of an order; the settings name who tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


class OrderSummary(Protocol):
    """What the templates may say of an order; money as text."""

    number: str
    email: str
    total: str
    cancel_text: str
    address: Any
    """name, line1, city, postal_code, country."""
    lines: Sequence[Any]
    """Of each: sku, name, quantity, line_total."""


def order_summaries(order_ids: Sequence[UUID]) -> Mapping[UUID, OrderSummary]:
    """By order; one that is not known is left out."""
    return _summaries()(order_ids)


@cache
def _summaries() -> Callable[[Sequence[UUID]], Mapping[UUID, OrderSummary]]:
    return cast("Callable[[Sequence[UUID]], Mapping[UUID, OrderSummary]]", import_string(settings.ORDER_SUMMARIES))
