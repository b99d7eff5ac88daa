"""Rows by many keys: `filter(pk__among=keys)` is one array instead of a placeholder for each key.

The planner cannot see how many keys the subquery has and expects a few, so it looks them up in the index. Of an array
that it sees, it would expect so many pages that it prefers to read the whole table, until that is large.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.lookups import Lookup
from django.db.models.sql.compiler import SQLCompiler

AMONG = "ANY(ARRAY(SELECT unnest({})))"


@models.Field.register_lookup
class Among(Lookup):
    """`pk__among=keys`: rows whose field is one of these, which are of the type that the field has in Python."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        kind = self.lhs.output_field.db_type(connection).partition("(")[0]
        return f"{column} = {AMONG.format(f'%s::{kind}[]')}", (*parameters, list(self.rhs))
