"""Cursor pagination. A cursor names the row after which the page begins, so every page costs the same."""

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

from web.typed import convert
from web.unprocessable import Unprocessable

SALT = "page"
LIMIT, MAX_LIMIT = 50, 200


class Pageable(Protocol):
    """What a view declares: its orderings by name. The last column of each must be unique."""

    orderings: Mapping[str, tuple[str, ...]]
    default_ordering: str


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    ordering: str
    backward: bool
    values: list[str]


class CursorPages(BasePagination):
    """`{"next", "previous", "results"}`; parameters `cursor`, `ordering` and `limit`.

    Cursors are signed, so that clients cannot forge them, and are valid only for the ordering that created them.
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
            raise Unprocessable({"cursor": ["The cursor is invalid. Start again without it."]}) from error
        if cursor.ordering != self.ordering:
            raise Unprocessable(
                {"cursor": [f"The cursor belongs to ordering={cursor.ordering}. Start again without it."]}
            )
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
            _parameter("cursor", {"type": "string"}, "A cursor from `next` or `previous` of another page."),
            _parameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}, "The page size."
            ),
            _parameter(
                "ordering",
                {"type": "string", "enum": names, "default": view.default_ordering},
                "A `-` reverses the order.",
            ),
        ]


def _parameter(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _ordering(request: Request, view: Pageable) -> tuple[str, tuple[str, ...]]:
    ordering = request.query_params.get("ordering", view.default_ordering)
    columns = view.orderings.get(ordering.removeprefix("-"))
    if columns is None:
        raise ValidationError({"ordering": [f"Use one of {', '.join(view.orderings)}, optionally with a leading `-`."]})
    return ordering, columns


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and 1 <= int(text) <= MAX_LIMIT):
        raise ValidationError({"limit": [f"Send a number from 1 to {MAX_LIMIT}."]})
    return int(text)


def _beyond(columns: Sequence[str], values: Sequence[str], side: str) -> Q:
    """The condition `(a, b) > (x, y)` as `a > x OR (a = x AND b > y)`."""
    condition = Q()
    for depth, column in enumerate(columns):
        equal = dict(zip(columns[:depth], values, strict=False))
        condition |= Q(**equal, **{f"{column}__{side}": values[depth]})
    return condition
