"""Statements that may be prepared, because one plan suits tables of any size (docs/decisions/0023)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.lookups import Lookup
from django.db.models.sql.compiler import SQLCompiler

MAX_ROWS_OF_KEPT_PLAN = 20
"""Statements for more rows than this are planned each time."""


class Keyed(str):
    """A statement that only inserts its parameters, looks up every row by key, or follows an index.

    A generic plan does not see its parameters. So keys are written as `ANY(ARRAY(SELECT unnest(…)))`, for which the
    planner always expects a few rows, and a second table is joined row by row: `CROSS JOIN LATERAL (… OFFSET 0)`.
    """

    __slots__ = ()


AMONG = "ANY(ARRAY(SELECT unnest({})))"


@models.Field.register_lookup
class Among(Lookup):
    """The lookup `filter(pk__among=keys)`: passes one array instead of one placeholder per key.

    The planner cannot see how many keys the subquery returns; it expects a few and uses the index. For a visible array
    it would expect to read so many pages that it prefers to scan the whole table while that is small.
    """

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        kind = self.lhs.output_field.db_type(connection).partition("(")[0]
        return f"{column} = {AMONG.format(f'%s::{kind}[]')}", (*parameters, list(self.rhs))
