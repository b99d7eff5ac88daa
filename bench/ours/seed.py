"""Seeds the products of the benchmark."""

from __future__ import annotations

from decimal import Decimal

from bench.orders import FLASH, PLENTY, SPREAD, WIDE
from inventory.models import Product, Stock, Warehouse

PRICE = Decimal("10.00")
PLACE = "BENCH"


def seed(flash: int) -> dict[str, int]:
    """Creates one warehouse with ample stock, except `flash` pieces of one product. Returns the stock by SKU."""
    stocked = {**dict.fromkeys([*SPREAD, *WIDE], PLENTY), FLASH: flash}
    Warehouse.objects.create(code=PLACE, name="The benchmark's", priority=1)
    Product.objects.bulk_create(Product(sku=sku, name=sku.title(), price=PRICE) for sku in stocked)
    Stock.objects.bulk_create(
        Stock(product_id=sku, warehouse_id=PLACE, on_hand=quantity) for sku, quantity in stocked.items()
    )
    return stocked
