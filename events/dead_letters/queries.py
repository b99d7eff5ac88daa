"""Queries for dead letters with their last error, and the ids that the API gives them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce

from events.models import Attempt, Delivery, DeliveryState

_PREFIX = UUID("64656c69-7665-8000-8000-000000000000").int
"""The ASCII letters `delive`, then a UUID's version (8, custom) and variant."""
_NUMBER_BITS = (1 << 62) - 1


def letter_id(delivery_id: int) -> UUID:
    """A delivery's id in the API, where every id is a UUID. It is computed, so the table needs no second key."""
    return UUID(int=_PREFIX | delivery_id)


def delivery_id(letter: UUID) -> int | None:
    """The inverse of `letter_id`; None for a UUID that `letter_id` did not make."""
    return letter.int & _NUMBER_BITS if letter.int & ~_NUMBER_BITS == _PREFIX else None


def with_last_error(deliveries: QuerySet[Delivery]) -> QuerySet[Any]:
    """Annotates each delivery with `error_type`, `error` and `died_at` of its last attempt."""
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-at", "-id")
    return deliveries.select_related("event").annotate(
        error_type=Coalesce(Subquery(last.values("error_type")[:1]), Value(""), output_field=TextField()),
        error=Coalesce(Subquery(last.values("error")[:1]), Value(""), output_field=TextField()),
        died_at=Coalesce(Subquery(last.values("at")[:1]), F("due_at")),
    )


def dead_letters() -> QuerySet[Any]:
    return with_last_error(Delivery.objects.filter(state=DeliveryState.DEAD))
