"""Rows as one array for each column, so that a batch of any size is one statement with one plan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias

from django.db import connection, models

Column: TypeAlias = "models.Field[Any, Any]"

AS_THEY_ARE = (models.UUIDField, models.IntegerField, models.DateTimeField)
"""Fields whose values are written as they are."""


def values_of(column: Column, rows: Sequence[models.Model], *, add: bool) -> list[Any]:
    """A column of a batch, as Django would write it value by value."""
    if type(column).pre_save is models.Field.pre_save:
        found = list(map(attrgetter(column.attname), rows))
    else:
        found = [column.pre_save(row, add) for row in rows]
    if isinstance(column, models.CharField | models.TextField):
        return [value if value is None else str(value) for value in found]  # of a choice, its value
    if isinstance(column, AS_THEY_ARE):
        return found
    if isinstance(column, models.DecimalField) and set(map(type, found)) <= {Decimal}:
        return found
    return [column.get_db_prep_save(value, connection) for value in found]


def array_type(column: Column) -> str:
    """Its type, without the length that it may have: what is too long has to fail, and a cast would cut it off."""
    return f"{(column.db_type(connection) or '').partition('(')[0]}[]"
