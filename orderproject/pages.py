"""Cursor pages. A cursor says after which row to go on, so a page costs the same however far in it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from django.core import signing
from django.db.models import Model, Q
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from events.typed import convert
from events.unprocessable import Unprocessable

SALT = "page"
LIMIT, MOST = 50, 200


class Pageable(Protocol):
    """What a view declares: its orderings by name, each ending in a column that is unique."""

    orderings: Mapping[str, tuple[str, ...]]
    default_ordering: str


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    ordering: str
    backward: bool
    values: list[str]


class CursorPages(BasePagination):
    """`{"next", "previous", "results"}`; parameters `cursor`, `ordering` and `limit`.

    A cursor is signed, so that only our own come in, and holds for the ordering that it was made for.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        self.request = request
        self.ordering, self.columns = _ordering(request, view)
        limit = _limit(request)
        cursor = self._cursor()
        backward = cursor is not None and cursor.backward
        descending = self.ordering.startswith("-") != backward
        queryset = queryset.order_by(*(f"-{column}" if descending else column for column in self.columns))
        if cursor:
            queryset = queryset.filter(_beyond(self.columns, cursor.values, "lt" if descending else "gt"))
        rows = list(queryset[: limit + 1])
        more = len(rows) > limit
        self.rows = rows[:limit][::-1] if backward else rows[:limit]
        self.has_next = backward or more
        self.has_previous = more if backward else cursor is not None
        return self.rows

    def _cursor(self) -> _Cursor | None:
        text = self.request.query_params.get("cursor")
        if text is None:
            return None
        try:
            cursor = convert(signing.loads(text, salt=SALT), _Cursor)
        except (signing.BadSignature, ValueError) as error:
            raise Unprocessable({"cursor": ["This is no cursor of ours: start again without it."]}) from error
        if cursor.ordering != self.ordering:
            raise Unprocessable({"cursor": [f"This cursor is for ordering={cursor.ordering}: start again."]})
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next(), "previous": self._previous(), "results": data})

    def _next(self) -> str | None:
        return self._link(self.rows[-1], backward=False) if self.has_next and self.rows else None

    def _previous(self) -> str | None:
        return self._link(self.rows[0], backward=True) if self.has_previous and self.rows else None

    def _link(self, row: Model, *, backward: bool) -> str:
        values = [str(getattr(row, column)) for column in self.columns]
        cursor = signing.dumps(msgspec.to_builtins(_Cursor(self.ordering, backward, values)), salt=SALT)
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor)

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        names = [f"{sign}{name}" for name in view.orderings for sign in ("", "-")]
        return [
            _parameter("cursor", {"type": "string"}, "From `next` or `previous` of another page."),
            _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}, "Page size."),
            _parameter(
                "ordering", {"type": "string", "enum": names, "default": view.default_ordering}, "`-` reverses."
            ),
        ]


def _parameter(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _ordering(request: Request, view: Pageable) -> tuple[str, tuple[str, ...]]:
    ordering = request.query_params.get("ordering", view.default_ordering)
    columns = view.orderings.get(ordering.removeprefix("-"))
    if columns is None:
        raise ValidationError({"ordering": [f"Known are {', '.join(view.orderings)}, each also with a minus."]})
    return ordering, columns


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and 1 <= int(text) <= MOST):
        raise ValidationError({"limit": [f"A number from 1 to {MOST}."]})
    return int(text)


def _beyond(columns: Sequence[str], values: Sequence[str], side: str) -> Q:
    """`(a, b) > (x, y)`, spelled out: `a > x OR (a = x AND b > y)`."""
    condition = Q()
    for depth, column in enumerate(columns):
        equal = dict(zip(columns[:depth], values, strict=False))
        condition |= Q(**equal, **{f"{column}__{side}": values[depth]})
    return condition
