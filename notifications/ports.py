"""What the notifications service needs from other services. Settings name the functions that provide it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


class OrderSummary(Protocol):
    """The order data for the e-mail templates. Amounts are text."""

    number: str
    email: str
    total: str
    cancel_text: str
    address: Any
    """Has name, line1, city, postal_code and country."""
    refund_status: str
    """`pending`, `failed` or `succeeded`; empty if nothing was or is to be refunded."""
    refund: str
    """What is missing or, once the refund has succeeded, what was refunded."""
    lines: Sequence[Any]
    """Each has sku, name, quantity and line_total."""


def order_summaries(order_ids: Sequence[UUID]) -> Mapping[UUID, OrderSummary]:
    """Summaries by order id, from the function that `settings.ORDER_SUMMARIES` names. Unknown orders are left out."""
    return _summaries()(order_ids)


@cache
def _summaries() -> Callable[[Sequence[UUID]], Mapping[UUID, OrderSummary]]:
    return cast("Callable[[Sequence[UUID]], Mapping[UUID, OrderSummary]]", import_string(settings.ORDER_SUMMARIES))
