"""Whatever is done with an order, there is always a way to an end. All states of a small order are tried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from events import Refused
from orders.events import Goods
from orders.models import IllegalTransition, Order, Status
from tests.unit.test_evolve import an_order

ENDS = {Status.CANCELLED, Status.DELIVERED, Status.RETURNED}
COUNTERS = ("shipped_quantity", "cancelled_quantity", "returned_quantity")
QUANTITIES = [2, 1]
State = tuple[str, tuple[tuple[int, ...], ...]]
Deed = Callable[[Order], Any]
PARTS = [
    [Goods(sku=f"SKU-{place}", quantity=count) for place, count in enumerate(counts) if count]
    for counts in product(*(range(quantity + 1) for quantity in QUANTITIES))
    if any(counts)
]


def state_of(order: Order) -> State:
    return order.status, tuple(tuple(getattr(line, name) for name in COUNTERS) for line in order.lines.all())


def order_in(state: State) -> Order:
    order = an_order(QUANTITIES)
    order.status = Status(state[0])
    for line, counts in zip(order.lines.all(), state[1], strict=True):
        for name, count in zip(COUNTERS, counts, strict=True):
            setattr(line, name, count)
    return order


def deeds(without: str) -> Iterator[Deed]:
    yield lambda order: order.confirm()
    yield lambda order: order.cancel("r")
    yield lambda order: order.deliver()
    for part in PARTS:
        if without != "cancel_items":
            yield lambda order, part=part: order.cancel_items(uuid4(), part, "r")  # type: ignore[misc]
        yield lambda order, part=part: order.ship(uuid4(), part, "DHL", "1")  # type: ignore[misc]
        yield lambda order, part=part: order.return_items(uuid4(), part, "r")  # type: ignore[misc]


def explored(without: str = "") -> dict[State, set[State]]:
    """All states that can be reached, each with those that follow it."""
    followers: dict[State, set[State]] = {}
    found = [state_of(an_order(QUANTITIES))]
    while found:
        state = found.pop()
        if state in followers:
            continue
        followers[state] = set()
        for deed in deeds(without):
            order = order_in(state)
            try:
                deed(order)
            except (IllegalTransition, Refused):
                continue
            followers[state].add(state_of(order))
        found += followers[state]
    return followers


def dead_ends(followers: dict[State, set[State]], *, can_ship: bool = True) -> set[State]:
    """The states from which no end can be reached; with `can_ship=False`, where nothing more can be shipped."""
    before: dict[State, set[State]] = defaultdict(set)
    for state, after in followers.items():
        for then in after:
            if can_ship or [line[0] for line in then[1]] == [line[0] for line in state[1]]:
                before[then].add(state)
    alive: set[State] = set()
    found = [state for state in followers if state[0] in ENDS]
    while found:
        state = found.pop()
        if state not in alive:
            alive.add(state)
            found += before[state]
    return followers.keys() - alive


@pytest.mark.parametrize("can_ship", [True, False])
def test_from_each_state_an_end_can_be_reached(can_ship: bool) -> None:
    followers = explored()
    assert {state[0] for state in followers} == set(Status.values)
    assert dead_ends(followers, can_ship=can_ship) == set()


def test_without_cancelling_items_what_cannot_be_shipped_was_a_dead_end() -> None:
    stranded = dead_ends(explored(without="cancel_items"), can_ship=False)
    assert {state[0] for state in stranded} == {Status.PARTIALLY_SHIPPED}
