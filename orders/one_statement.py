"""New orders, written in one statement: what `save_all()` writes, their lines, and the answers to their requests.

It is the most frequent write of all, and round trips were most of its cost (docs/decisions/0035). The columns are
those of the models and of the kernel's own statements, and a test compares the rows with `place`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from uuid import UUID

from django.db import models, transaction

from events import sql, wake
from events.aggregate import number
from events.columns import Column, array_type, values_of
from events.context import Context, caused_by
from events.deliveries import listening
from events.keyed import Keyed
from events.log import columns_of
from orders.events import OrderCreated
from orders.idempotency import CLAIM_AND_KEEP, Answer, Once
from orders.models import Order, OrderLine


class Writing:
    """Fills in what saving fills in, such as the version, so that the orders can be shown before they are written."""

    def __init__(self, orders: Sequence[Order], contexts: Sequence[Context]) -> None:
        events = number(orders)
        lines = [line for order in orders for line in order.lines.all()]
        self._ids = [order.id for order in orders]
        self._orders = [values_of(column, orders, add=True) for column in _columns(Order)]
        self._lines = [values_of(column, lines, add=True) for column in _columns(OrderLine)]
        with caused_by(Context(), {str(id): context for id, context in zip(self._ids, contexts, strict=True)}):
            self._events = columns_of(events)

    def write(self, answers: Sequence[tuple[Once, Answer]]) -> set[UUID]:
        """The orders that were written, all of each; of those whose request was answered before, nothing.

        The answers are in the order of their orders, and no two have the same caller and key.
        """
        if not answers:
            return set()
        names, ordered = listening(OrderCreated)
        requests = zip(*([once.lock, *once.row(answer)] for once, answer in answers), strict=True)
        arrays = [self._ids, *map(list, requests), *self._orders, *self._lines, *self._events]
        written = {id for (id,) in sql.run(_statement(), [*arrays, names, ordered])}
        if written and names:
            transaction.on_commit(wake.relay)
        return written


@cache
def _statement() -> str:
    """Looks nothing up but in unique indexes, so that its plan is the same for tables of any size."""
    return Keyed(f"""
WITH {CLAIM_AND_KEEP},
placed AS ({_insert(Order, "id")} RETURNING '{Order.stream_kind}:' || id AS stream),
lines AS ({_insert(OrderLine, "order_id")}),
{sql.PARTS.format(gate="placed")}
SELECT id FROM claimed
""")  # noqa: S608  names of columns, no input  # nosec B608


def _insert(model: type[models.Model], order_id: str) -> str:
    names = [str(column.column) for column in _columns(model)]
    new, listed = ", ".join(f"new.{name}" for name in names), ", ".join(names)
    arrays = ", ".join(f"%s::{array_type(column)}" for column in _columns(model))
    return (
        f"INSERT INTO {model._meta.db_table} ({listed}) SELECT {new} "  # noqa: S608  names, no input  # nosec B608
        f"FROM unnest({arrays}) AS new ({listed}) JOIN claimed ON claimed.id = new.{order_id}"
    )


@cache
def _columns(model: type[models.Model]) -> Sequence[Column]:
    """All but those that PostgreSQL numbers."""
    return [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
