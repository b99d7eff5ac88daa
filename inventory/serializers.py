"""Products on the wire."""

from __future__ import annotations

import msgspec

from events import Money
from inventory import models


class Product(msgspec.Struct, frozen=True):
    """Something for sale; `available` is what is left of it in all warehouses together."""

    sku: str
    name: str
    price: Money
    available: int

    @classmethod
    def of(cls, product: models.Product) -> Product:
        """`product` comes from `selectors.products()`, which counts what is available."""
        return cls(product.sku, product.name, product.money, product.available)  # type: ignore[attr-defined]
