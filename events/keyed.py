"""Statements whose plan PostgreSQL may keep, because one plan is right for tables of any size (docs/decisions/0023)."""

from __future__ import annotations

FEW = 20
"""Rows at most for which a kept plan is used; more of them are worth a plan of their own."""


class Keyed(str):
    """A statement that inserts what it is given, or looks up by a key each row that it touches, or follows an index.

    A plan that is kept cannot see its parameters. So keys stand as `ANY(ARRAY(SELECT unnest(…)))`, of which the planner
    always expects a few, and a second table is looked up row by row: `CROSS JOIN LATERAL (… OFFSET 0)`.
    """

    __slots__ = ()
