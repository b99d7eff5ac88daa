"""Accepts orders, each once per idempotency key: one per request, or many that succeed or fail individually."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from django.db import connection, transaction
from django.urls import reverse

from events import Refused
from events.db.bisect import bisect
from events.db.model_signals import saving_is_heard
from events.delivery.outbox import is_alone
from events.log.context import Context, current_context
from orders.api import serializers as wire
from orders.events import OrderCreated
from orders.models import Order, OrderLine
from orders.placing.bulk_insert import Writing
from orders.placing.group_commit import GroupCommit
from orders.placing.idempotency import Answer, AnsweredMeanwhile, InProgress, KeyReused, Once, keep, stored
from orders.services import ordered, place, place_each

RACES = 3
"""How often a call is retried because a concurrent call stored an answer under one of its keys."""

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Entry:
    """An order as the client sent it, with its idempotency key."""

    once: Once
    new: wire.NewOrder


@dataclass(frozen=True, eq=False)
class Asked:
    """The order of one request, with the context (actor, correlation id) for its event."""

    once: Once
    new: wire.NewOrder
    context: Context


def accept(new: wire.NewOrder, once: Once) -> Answer:
    """Together with what other threads accept at this instant. Raises what `place` raises, KeyReused and InProgress."""
    if not is_alone(OrderCreated) or saving_is_heard(Order, OrderLine):
        return once.answer(lambda: _accepted(place(new.placement(once.caller))))
    asked = Asked(once, new, current_context())
    # A thread inside a transaction cannot write for other threads, because its transaction can be rolled back.
    (outcome,) = _accept_group([asked]) if connection.in_atomic_block else [_group_commit(asked)]
    if isinstance(outcome, Answer):
        return outcome
    if earlier := once.answered():  # even if the order is refused now: the catalogue has changed since
        return earlier
    raise outcome


def _accept_group(asked: Sequence[Asked]) -> list[Answer | Refused | InProgress]:
    """The outcome of each, in the order given; two statements. Requests that have an answer also get InProgress."""
    by_key = {(one.once.caller, one.once.key): one for one in asked}
    ones = [by_key[key] for key in sorted(by_key)]  # sorted, so that two processes cannot deadlock
    placed = dict(zip(ones, ordered([one.new.placement(one.once.caller) for one in ones]), strict=True))
    orders = {one: order for one, order in placed.items() if isinstance(order, Order)}
    writing = Writing(list(orders.values()), [one.context for one in orders])
    answers = {one: _accepted(order) for one, order in orders.items()}
    written = writing.write([(one.once, answer) for one, answer in answers.items()])
    outcomes: dict[Asked, Answer | Refused] = {one: no for one, no in placed.items() if isinstance(no, Refused)}
    outcomes |= {one: answer for one, answer in answers.items() if orders[one].id in written}
    return [outcomes.get(one) or InProgress() for one in asked]


_group_commit = GroupCommit(_accept_group)


def accept_each(entries: Sequence[Entry]) -> list[Answer | Exception]:
    """The outcome of each, in the order given; one transaction, with a constant number of statements.

    If the transaction fails, the entries are taken apart, so that the culprit's outcome is its error. Raises nothing
    but the database's own errors.
    """
    outcomes: dict[int, Answer | Exception] = {}

    def attempt(places: Sequence[int]) -> None:
        outcomes.update(zip(places, _accept_together([entries[place] for place in places]), strict=True))

    bisect(range(len(entries)), attempt, outcomes.__setitem__)
    return [outcomes[place] for place in range(len(entries))]


def _accept_together(entries: Sequence[Entry]) -> list[Answer | Exception]:
    for _ in range(RACES):
        try:
            with transaction.atomic():
                return _accept_each(entries)
        except AnsweredMeanwhile:
            continue
    return [InProgress() for _ in entries]


def _accept_each(entries: Sequence[Entry]) -> list[Answer | Exception]:
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.once.key, entry)
    outcomes: dict[str, Answer | Exception] = dict(stored([entry.once for entry in first.values()]))
    fresh = [entry for key, entry in first.items() if key not in outcomes]
    placed = place_each([entry.new.placement(entry.once.caller) for entry in fresh])
    answers = {
        entry.once.key: outcome if isinstance(outcome, Refused) else _accepted(outcome)
        for entry, outcome in zip(fresh, placed, strict=True)
    }
    keep([(first[key].once, answer) for key, answer in answers.items() if isinstance(answer, Answer)])
    outcomes.update(answers)
    return [outcomes[entry.once.key] if entry.once == first[entry.once.key].once else KeyReused() for entry in entries]


def _accepted(order: Order) -> Answer:
    headers = {"Location": reverse("order", args=[order.id]), "ETag": wire.etag(order, None)}
    return Answer(201, headers, encode(wire.Order.of(order, None)))
