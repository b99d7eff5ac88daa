"""Accepting orders, once per key: a request's one, or many, each of which succeeds or is refused by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from django.db import connection, transaction
from django.urls import reverse

from events import Refused
from events.context import Context, current_context
from events.deliveries import is_alone
from orders import serializers as wire
from orders.events import OrderCreated
from orders.group_commit import GroupCommit
from orders.idempotency import Answer, AnsweredMeanwhile, InProgress, KeyReused, Once, keep, stored
from orders.models import Order
from orders.one_statement import Writing
from orders.services import ordered, place, place_each

RACES = 3
"""How often a call begins anew because another one stored an answer under one of its keys."""

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Entry:
    """An order as it was sent, under its key."""

    once: Once
    new: wire.NewOrder


@dataclass(frozen=True, eq=False)
class Asked:
    """The order of one request, whose context its event gets."""

    once: Once
    new: wire.NewOrder
    context: Context


def accept(new: wire.NewOrder, once: Once) -> Answer:
    """Together with what other threads accept at this instant. Raises what `place` raises, KeyReused and InProgress."""
    if not is_alone(OrderCreated):
        return once.answer(lambda: _accepted(place(new.placement(once.caller))))
    asked = Asked(once, new, current_context())
    # Whoever is in a transaction cannot write for others: it may be undone.
    (outcome,) = _accept_at_once([asked]) if connection.in_atomic_block else [_together(asked)]
    if isinstance(outcome, Answer):
        return outcome
    if earlier := once.answered():  # also where the order is refused now: the catalogue was another one then
        return earlier
    raise outcome


def _accept_at_once(asked: Sequence[Asked]) -> list[Answer | Refused | InProgress]:
    """The outcome of each, in the order given; two statements. InProgress also for what was answered before."""
    by_key = {(one.once.caller, one.once.key): one for one in asked}
    ones = [by_key[key] for key in sorted(by_key)]  # so that two processes never wait for each other's keys
    placed = dict(zip(ones, ordered([one.new.placement(one.once.caller) for one in ones]), strict=True))
    orders = {one: order for one, order in placed.items() if isinstance(order, Order)}
    writing = Writing(list(orders.values()), [one.context for one in orders])
    answers = {one: _accepted(order) for one, order in orders.items()}
    written = writing.write([(one.once, answer) for one, answer in answers.items()])
    outcomes: dict[Asked, Answer | Refused] = {one: no for one, no in placed.items() if isinstance(no, Refused)}
    outcomes |= {one: answer for one, answer in answers.items() if orders[one].id in written}
    return [outcomes.get(one) or InProgress() for one in asked]


_together = GroupCommit(_accept_at_once)


def accept_each(entries: Sequence[Entry]) -> list[Answer | Exception]:
    """The outcome of each, in the order given; one transaction, with a constant number of statements."""
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
