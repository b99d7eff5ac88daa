"""Inserts new orders in one statement: the rows that `save_all()` writes, order lines, and idempotent answers.

It is the most frequent write of all, and round trips were most of its cost (docs/decisions/0035). The columns are
those of the models and of the kernel's own statements, and a test compares the rows with `place`'s. No signal is sent,
neither `domain_event` nor Django's own of saving: where somebody listens to one, `accepting` uses `place` instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from uuid import UUID

from django.db import models, transaction

from events.db.columns import Column, array_type, values_of
from events.db.keyed import Keyed
from events.db.query import execute
from events.delivery import wake
from events.delivery.outbox import listening, statement_parts
from events.log.aggregate import number
from events.log.append import columns_of
from events.log.context import Context, caused_by
from events.tracing.spans import end_all
from orders.events import OrderCreated
from orders.models import Order, OrderLine
from orders.placing.idempotency import CLAIM_AND_KEEP, Answer, Once


class Writing:
    """Sets the fields that saving would set, such as the version, so that orders can be serialized before writing."""

    def __init__(self, orders: Sequence[Order], contexts: Sequence[Context]) -> None:
        events = number(orders)
        lines = [line for order in orders for line in order.lines.all()]
        self._ids = [order.id for order in orders]
        self._orders = [values_of(column, orders, add=True) for column in _columns(Order)]
        self._lines = [values_of(column, lines, add=True) for column in _columns(OrderLine)]
        with caused_by(Context(), {str(id): context for id, context in zip(self._ids, contexts, strict=True)}):
            self._events = columns_of(events)

    def write(self, answers: Sequence[tuple[Once, Answer]]) -> set[UUID]:
        """Writes the orders whose requests have no answer yet, each completely; returns their ids.

        Pass the answers in the sequence of the orders. No two answers can have the same caller and key.
        """
        if not answers:
            return set()
        names, ordered = listening(OrderCreated)
        requests = zip(*([once.lock, *once.row(answer)] for once, answer in answers), strict=True)
        arrays = [self._ids, *map(list, requests), *self._orders, *self._lines, *self._events]
        written = {id for (id,) in execute(_statement(), [*arrays, names, ordered])}
        if written and self._events.spans:
            end_all(self._events.spans)
        if written and names:
            transaction.on_commit(wake.notify_relay)
        return written


@cache
def _statement() -> str:
    """The statement looks rows up only by unique indexes, so its plan is the same for tables of any size."""
    return Keyed(f"""
WITH {CLAIM_AND_KEEP},
placed AS ({_insert(Order, "id")} RETURNING '{Order.stream_kind}:' || id AS stream),
lines AS ({_insert(OrderLine, "order_id")}),
{statement_parts("placed")}
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
    """All columns except those that PostgreSQL generates."""
    return [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
