"""What an order has of the stock, as its events tell it: a pure fold."""

from __future__ import annotations

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
)

Shelved = Mapping[tuple[str, str], int]
"""By (SKU, warehouse): how much of the product."""


class Holding(msgspec.Struct, frozen=True):
    """`allocated` stays known when the hold is over; `restocked` is what of it came back."""

    state: str
    allocated: Shelved = {}
    restocked: Shelved = {}


def evolve(state: Holding | None, event: Any) -> Holding:
    """What `event` makes of the reservation. It does not ask whether the event was legal: it has happened.

    An event that it does not know changes nothing of what is compared with the row.
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
            restocked = shelved(event.allocations, state.restocked)
            return replace(
                state, state="restocked" if restocked == state.allocated else state.state, restocked=restocked
            )
        case Holding(), _:
            return state
    raise TypeError(f"{type(event).__name__} cannot follow {state!r}")


def shelved(allocations: Iterable[Allocation], before: Shelved | None = None) -> dict[tuple[str, str], int]:
    """The allocations, on top of those before."""
    total = dict(before or {})
    for one in allocations:
        place = one.sku, one.warehouse
        total[place] = total.get(place, 0) + one.quantity
    return total
