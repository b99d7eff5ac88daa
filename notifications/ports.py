"""What notifications needs to know of an order; the settings name who tells it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


def order_summaries(order_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, Any]]:
    """By order, as the templates want it: number, email, total, address, cancel_text, and of each item sku, name,
    quantity and line_total.
    """
    return _summaries()(order_ids)


@cache
def _summaries() -> Callable[[Sequence[UUID]], Mapping[UUID, Mapping[str, Any]]]:
    return cast(
        "Callable[[Sequence[UUID]], Mapping[UUID, Mapping[str, Any]]]",
        import_string(settings.ORDER_SUMMARIES),
    )
