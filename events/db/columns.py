"""Turns rows into one array per column, so that a batch of any size is one statement with one plan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias

from django.db import connection, models

Column: TypeAlias = "models.Field[Any, Any]"

UNCONVERTED = (models.UUIDField, models.IntegerField, models.DateTimeField)
"""Fields whose values need no conversion."""


def values_of(column: Column, rows: Sequence[models.Model], *, add: bool) -> list[Any]:
    """The values of a column for all rows, prepared as Django prepares single values."""
    if type(column).pre_save is models.Field.pre_save:
        found = list(map(attrgetter(column.attname), rows))
    else:
        found = [column.pre_save(row, add) for row in rows]
    if isinstance(column, models.CharField | models.TextField):
        return [value if value is None else str(value) for value in found]  # a choice becomes its value
    if isinstance(column, UNCONVERTED):
        return found
    if isinstance(column, models.DecimalField) and set(map(type, found)) <= {Decimal}:
        return found
    return [column.get_db_prep_save(value, connection) for value in found]


def array_type(column: Column) -> str:
    """The column's array type without a length: a cast to a length would truncate long values instead of failing."""
    return f"{(column.db_type(connection) or '').partition('(')[0]}[]"
