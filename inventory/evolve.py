"""The state of an order's reservation, folded from its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from inventory.events import (
    Allocation,
    InventoryCommitted,
    InventoryRejected,
    InventoryReleased,
    InventoryReserved,
    InventoryRestocked,
    InventoryWrittenOff,
)

Shelved = Mapping[tuple[str, str], int]
"""Quantities by (SKU, warehouse)."""


Quantities = Mapping[str, int]
"""Quantities by SKU."""


class Holding(msgspec.Struct, frozen=True):
    """`allocated` is kept after the hold has ended. Of that, `restocked` and `written_off` came back.

    What comes back may arrive in another warehouse, so it is counted by SKU only.
    """

    state: str
    allocated: Shelved = {}
    restocked: Quantities = {}
    written_off: Quantities = {}


def evolve(state: Holding | None, event: Any) -> Holding:  # noqa: PLR0911  one return for each event type
    """Applies `event` to the reservation without checking its legality, because the event has already happened.

    An event of an unknown type leaves the state unchanged.
    """
    match state, event:
        case _, InventoryReserved():
            return Holding("held", shelved(event.allocations))
        case None, InventoryRejected():
            return Holding("rejected")
        case Holding(), InventoryReleased():
            return replace(state, state="released")
        case Holding(), InventoryCommitted():
            return replace(state, state="committed")
        case Holding(), InventoryRestocked():
            return _came_back(replace(state, restocked=_added(state.restocked, event.allocations)))
        case Holding(), InventoryWrittenOff():
            return _came_back(replace(state, written_off=_added(state.written_off, event.allocations)))
        case Holding(), _:
            return state
    raise TypeError(f"{type(event).__name__} cannot follow {state!r}")


def shelved(allocations: Iterable[Allocation]) -> dict[tuple[str, str], int]:
    """The sums of the allocations, by SKU and warehouse."""
    total: Counter[tuple[str, str]] = Counter()
    for one in allocations:
        total[one.sku, one.warehouse] += one.quantity
    return dict(total)


def _added(before: Quantities, allocations: Iterable[Allocation]) -> dict[str, int]:
    total = Counter(before)
    for one in allocations:
        total[one.sku] += one.quantity
    return dict(total)


def _came_back(holding: Holding) -> Holding:
    """`restocked`, if nothing is left of what was allocated."""
    left: Counter[str] = Counter()
    for (sku, _), quantity in holding.allocated.items():
        left[sku] += quantity
    left.subtract(holding.restocked)
    left.subtract(holding.written_off)
    return holding if any(left.values()) else replace(holding, state="restocked")
