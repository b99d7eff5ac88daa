"""Strict query parameters: a misspelt filter gets an error instead of an unfiltered list."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet
from django_filters import CharFilter, Filter
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

ANY_TEXT = CharFilter()
ONCE = "Send the parameter once."
PAGE = frozenset({"cursor", "limit", "ordering", "format"})


class KnownParameters(DjangoFilterBackend):
    """Refuses unknown and repeated parameters, and NUL characters, which PostgreSQL cannot store."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        wrong = {
            name: [complaint]
            for name, values in request.query_params.lists()
            for complaint in _complaints(name, values, view.filterset_class.base_filters)
        }
        if wrong:
            raise ValidationError(wrong)
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


def _complaints(name: str, values: list[str], filters: Mapping[str, Filter]) -> Iterator[str]:
    if name not in PAGE and name not in filters:
        yield f"Unknown parameter. Use one of {', '.join(sorted(PAGE | filters.keys()))}."
    elif len(values) > 1:
        yield ONCE
    elif any("\0" in value for value in values):
        yield "Remove the NUL character."
    elif "" in values and not isinstance(filters.get(name, ANY_TEXT), CharFilter):
        yield "Omit the parameter, or give it a value."
