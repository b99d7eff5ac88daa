"""Query parameters, as strict as bodies: a misspelt filter must not answer with everything."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

PAGE = frozenset({"cursor", "limit", "ordering", "format"})


class KnownParameters(DjangoFilterBackend):
    """Refuses parameters that the view does not know, and NUL, which PostgreSQL cannot take."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        known = PAGE | set(view.filterset_class.base_filters)
        wrong = {
            name: ["A NUL character is not allowed."] if name in known else [f"Known are {', '.join(sorted(known))}."]
            for name, values in request.query_params.lists()
            if name not in known or any("\0" in value for value in values)
        }
        if wrong:
            raise ValidationError(wrong)
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
