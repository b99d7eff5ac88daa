"""Accepting orders, once per key: a request's one, or many, each of which succeeds or is refused by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from django.db import transaction
from django.urls import reverse

from events import Refused
from events.deliveries import is_alone
from orders import serializers as wire
from orders.events import OrderCreated
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


def accept(new: wire.NewOrder, once: Once) -> Answer:
    """One statement; see `orders.one_statement`. Raises what `place` raises, KeyReused and InProgress."""
    placement = new.placement(once.caller)
    if not is_alone(OrderCreated):
        return once.answer(lambda: _accepted(place(placement)))
    try:
        order = ordered(placement)
    except Refused:
        if earlier := once.answered():  # the catalogue was another one then
            return earlier
        raise
    writing = Writing(order)
    answer = _accepted(order)
    if writing.write(once, answer):
        return answer
    if earlier := once.answered():
        return earlier
    raise InProgress  # it was a moment ago, and then came to nothing


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
