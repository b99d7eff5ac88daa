"""A new order, written in one statement: what `Order.save()` writes, its lines, and the answer to its request.

It is the most frequent write of all, and ten round trips for it were most of its cost (docs/decisions/0035). The
columns are those of the models and of the kernel's own statements, and a test compares the rows with `place`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

from django.db import connection, models, transaction

from events import sql, wake
from events.aggregate import AS_THEY_ARE, number
from events.deliveries import listening
from events.log import columns_of
from orders.idempotency import CLAIM_AND_KEEP, Answer, Once
from orders.models import Order, OrderLine


class Writing:
    """Fills in what saving fills in, such as the version, so that the order can be shown before it is written."""

    def __init__(self, order: Order) -> None:
        (self.event,) = number([order])
        lines = order.lines.all()
        self.row = [value(order) for value in _values(Order)]
        self.lines = [[value(line) for line in lines] for value in _values(OrderLine)]

    def write(self, once: Once, answer: Answer) -> bool:
        """All of it, or nothing where the request was answered before, or is being worked on."""
        names, ordered = listening(type(self.event[0]))
        event = (column for (column,) in columns_of([self.event]))
        request = (once.lock, *once.row(answer))
        written = bool(sql.run(_statement(), [*request, *self.row, *self.lines, *event, names, ordered]))
        if written and names:
            transaction.on_commit(wake.relay)
        return written


@cache
def _statement() -> str:
    """Looks nothing up but in unique indexes, so that its plan is the same for tables of any size."""
    return f"""
WITH {CLAIM_AND_KEEP},
placed AS ({_insert(Order)} SELECT {_placeholders(Order, "")} FROM claimed),
lines AS ({_insert(OrderLine)} SELECT line.* FROM claimed, unnest({_placeholders(OrderLine, "[]")}) AS line),
{sql.PARTS.format(gate="claimed")}
SELECT id FROM claimed
"""  # noqa: S608  names of columns, no input  # nosec B608


def _insert(model: type[models.Model]) -> str:
    return f"INSERT INTO {model._meta.db_table} ({', '.join(str(field.column) for field in _columns(model))})"


def _placeholders(model: type[models.Model], suffix: str) -> str:
    """Without the lengths that a type may have: what is too long has to fail, and a cast would cut it off."""
    return ", ".join(f"%s::{(field.db_type(connection) or '').partition('(')[0]}{suffix}" for field in _columns(model))


@cache
def _columns(model: type[models.Model]) -> Sequence[models.Field[Any, Any]]:
    """All but those that PostgreSQL numbers."""
    return [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]


@cache
def _values(model: type[models.Model]) -> Sequence[Callable[[models.Model], Any]]:
    """For each column, what gives its value of a new row as Django would write it."""
    return [_value(column) for column in _columns(model)]


def _value(column: models.Field[Any, Any]) -> Callable[[models.Model], Any]:
    if isinstance(column, AS_THEY_ARE) and type(column).pre_save is models.Field.pre_save:
        return attrgetter(column.attname)
    return lambda row: column.get_db_prep_save(column.pre_save(row, add=True), connection)
