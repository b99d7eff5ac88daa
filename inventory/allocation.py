"""Allocates stock of several warehouses to orders. Pure functions without database access."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inventory.events import Shortage


class Shelf(msgspec.Struct):
    """One locked stock row. `taken` is the quantity that this batch adds to its holds."""

    stock_id: int
    sku: str
    warehouse: str
    available: int
    priority: int = 0
    low_stock: int = 0
    taken: int = 0


class Shelves(msgspec.Struct):
    """The shelves of all products in a batch, sorted by the priority of their warehouses."""

    by_sku: dict[str, list[Shelf]]

    def available(self, sku: str) -> int:
        return sum(shelf.available for shelf in self.by_sku.get(sku, []))

    def allocate(self, wanted: Sequence[tuple[str, int]]) -> list[tuple[Shelf, int]] | list[Shortage]:
        """Allocates all lines of an order or none. Returns (shelf, quantity) pairs, or the shortages."""
        short = [
            Shortage(sku, quantity, available)
            for sku, quantity in wanted
            if (available := self.available(sku)) < quantity
        ]
        return short or [portion for sku, quantity in wanted for portion in self._take(sku, quantity)]

    def _take(self, sku: str, quantity: int) -> list[tuple[Shelf, int]]:
        portions = []
        for shelf in self.by_sku[sku]:
            portion = min(quantity, shelf.available)
            if portion:
                shelf.available -= portion
                shelf.taken += portion
                quantity -= portion
                portions.append((shelf, portion))
        return portions
