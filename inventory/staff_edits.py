"""Changes that staff make to products and stock. Each change writes an audit record in its transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from desk import audit
from events import Conflict, Refused
from events.log.append import emit
from events.log.context import acting
from inventory.events import InventoryLow
from inventory.models import Product, Stock, Warehouse
from inventory.selectors import products

MAX_QUANTITY = 2**31 - 1
"""The maximum number of pieces of a product in one warehouse: the limit of the database column."""


def create_product(fields: Mapping[str, Any], *, actor: str) -> Product:
    """Creates a product. Raises Conflict if the SKU exists."""
    with transaction.atomic():
        product, new = Product.objects.get_or_create(sku=fields["sku"], defaults=fields)
        if not new:
            raise Conflict(f"A product {product.sku} already exists. Choose another SKU, or change that product.")
        audit.record(actor, "create", "product", [product.sku], details=audit.as_json(fields))
    return product


def change_product(
    sku: str, fields: Mapping[str, Any], *, actor: str, check: Callable[[Product], None]
) -> Product | None:
    """Changes a product and returns it; None if it does not exist. `check` gets the current product and can raise."""
    with transaction.atomic():
        if not Product.objects.select_for_update().filter(sku=sku).exists():
            return None
        product = products(also_inactive=True).get(sku=sku)
        check(product)
        before = {name: getattr(product, name) for name in fields}
        changed = {name: value for name, value in fields.items() if before[name] != value}
        if changed:
            for name, value in changed.items():
                setattr(product, name, value)
            product.save(update_fields=list(changed))
            audit.record(actor, "change", "product", [sku], details=audit.changes(before, fields))
    return product


def adjust(sku: str, warehouse: str, delta: int, *, actor: str, reason: str) -> Stock:
    """Corrects the quantity on hand by `delta` pieces and creates the stock row if there is none. Not idempotent.

    Raises Refused if the product or warehouse is unknown, or if the result is below the holds or above the maximum.
    """
    with transaction.atomic():
        stock = _locked(sku, warehouse)
        before, after = stock.on_hand, stock.on_hand + delta
        if after < stock.held:
            raise Refused(
                "below-held",
                f"{before} of {sku} are on hand in {warehouse}, {stock.held} of them held for orders: "
                f"remove at most {stock.available}.",
            )
        if after > MAX_QUANTITY:
            raise Refused(
                "too-many", f"A warehouse can hold at most {MAX_QUANTITY} of a product. Send a smaller delta."
            )
        stock.on_hand = after
        stock.save(update_fields=["on_hand"])
        details = {"delta": delta, "before": before, "after": after}
        audit.record(actor, "adjust", "stock", [audit_id(sku, warehouse)], reason=reason, details=details)
        _emit_low_stock(sku, delta, actor)
    return stock


def audit_id(sku: str, warehouse: str) -> str:
    """How the audit names the stock of a product in a warehouse."""
    return f"{sku}@{warehouse}"


def _locked(sku: str, warehouse: str) -> Stock:
    for code, model, key in (("unknown-product", Product, sku), ("unknown-warehouse", Warehouse, warehouse)):
        if not model.objects.filter(pk=key).exists():
            raise Refused(code, f"There is no {model._meta.verbose_name} {key!r}. Create it first.")
    stock, _ = Stock.objects.get_or_create(product_id=sku, warehouse_id=warehouse)
    return Stock.objects.select_for_update().get(id=stock.id)


def _emit_low_stock(sku: str, delta: int, actor: str) -> None:
    """Emits `inventory.low` if this change made the availability fall below the threshold, as a hold does."""
    threshold = Product.objects.values_list("low_stock", flat=True).get(sku=sku)
    available = Stock.objects.filter(product_id=sku).aggregate(left=Sum(F("on_hand") - F("held")))["left"]
    if available < threshold <= available - delta:
        with acting(actor):
            emit([InventoryLow(sku=sku, available=available, threshold=threshold)])
