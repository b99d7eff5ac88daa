"""The orders to place, the same for every contender."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

SKUS = tuple(f"SKU-{number:02d}" for number in range(50))
PLENTY = 10_000_000
QUANTITIES = (1, 2)
CURRENCY = "EUR"
EMAIL = "ada@example.com"
CARD = "tok_visa"


@dataclass(frozen=True)
class Item:
    sku: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True)
class Basket:
    items: tuple[Item, ...]

    @property
    def total(self) -> Decimal:
        return sum((item.unit_price * item.quantity for item in self.items), Decimal(0))


def price(sku: str) -> Decimal:
    return Decimal(5 + SKUS.index(sku)) + Decimal("0.90")


def baskets(count: int, seed: int = 1) -> Iterator[Basket]:
    """Baskets of two different SKUs with quantities one and two. The same seed gives the same baskets."""
    chance = random.Random(seed)
    for _ in range(count):
        skus = chance.sample(SKUS, len(QUANTITIES))
        yield Basket(tuple(Item(sku, quantity, price(sku)) for sku, quantity in zip(skus, QUANTITIES, strict=True)))
