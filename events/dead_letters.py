"""Reading dead letters: deliveries with what they died of, and the id under which the API knows them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce

from events.models import Attempt, Delivery, DeliveryState

_MARK = UUID("64656c69-7665-8000-8000-000000000000").int
"""`delive` in letters, then the version (8: the maker's own) and the variant of a UUID."""
_ROOM = (1 << 62) - 1


def letter_id(delivery_id: int) -> UUID:
    """A delivery's id on the wire: every id there is a UUID, and a second key would cost every delivery an index."""
    return UUID(int=_MARK | delivery_id)


def delivery_id(letter: UUID) -> int | None:
    """The other way round; None for a UUID that is none of ours."""
    return letter.int & _ROOM if letter.int & ~_ROOM == _MARK else None


def with_last_error(deliveries: QuerySet[Delivery]) -> QuerySet[Any]:
    """Each with `error_type`, `error` and `died_at` of its last attempt."""
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-at", "-id")
    return deliveries.select_related("event").annotate(
        error_type=Coalesce(Subquery(last.values("error_type")[:1]), Value(""), output_field=TextField()),
        error=Coalesce(Subquery(last.values("error")[:1]), Value(""), output_field=TextField()),
        died_at=Coalesce(Subquery(last.values("at")[:1]), F("due_at")),
    )


def dead_letters() -> QuerySet[Any]:
    return with_last_error(Delivery.objects.filter(state=DeliveryState.DEAD))
