"""What staff change by hand: the catalogue and the stock. Each deed is a line in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, Sum
from msgspec.structs import replace

from events import Conflict, Refused
from events.audit import note
from events.context import caused_by, current_context
from events.log import emit
from inventory.events import InventoryLow
from inventory.models import Product, Stock, Warehouse
from inventory.selectors import products

MOST = 2**31 - 1
"""Pieces that one warehouse can hold of a product: as many as its column."""


def create_product(fields: Mapping[str, Any], *, actor: str) -> Product:
    """Raises Conflict if the SKU is taken."""
    with transaction.atomic():
        product, new = Product.objects.get_or_create(sku=fields["sku"], defaults=fields)
        if not new:
            raise Conflict(f"A product {product.sku} exists already.")
        note(actor, "create", "product", [product.sku], details=_told(fields))
    return product


def change_product(
    sku: str, fields: Mapping[str, Any], *, actor: str, check: Callable[[Product], None]
) -> Product | None:
    """None if there is none. `check` sees the product as it is, and may raise."""
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
            details = {"before": _told({name: before[name] for name in changed}), "after": _told(changed)}
            note(actor, "change", "product", [sku], details=details)
    return product


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it; prices as text."""
    return {name: value if isinstance(value, bool | int) else str(value) for name, value in fields.items()}


def adjust(sku: str, warehouse: str, delta: int, *, actor: str, reason: str) -> Stock:
    """So much more, or less, is on hand than we thought. What is held for orders stays.

    Raises Refused. Where a product was never kept before, its stock there begins with this.
    """
    with transaction.atomic():
        stock = _locked(sku, warehouse)
        before, after = stock.on_hand, stock.on_hand + delta
        if after < stock.held:
            raise Refused(
                "below-held",
                f"{before} of {sku} are on hand in {warehouse}, {stock.held} of them held for orders: "
                f"at most {stock.available} can be taken away.",
            )
        if after > MOST:
            raise Refused("too-many", f"A warehouse holds at most {MOST} of a product.")
        stock.on_hand = after
        stock.save(update_fields=["on_hand"])
        details = {"delta": delta, "before": before, "after": after}
        note(actor, "adjust", "stock", [f"{sku}@{warehouse}"], reason=reason, details=details)
        _tell_low(sku, delta, actor)
    return stock


def _locked(sku: str, warehouse: str) -> Stock:
    for code, model, key in (("unknown-product", Product, sku), ("unknown-warehouse", Warehouse, warehouse)):
        if not model.objects.filter(pk=key).exists():
            raise Refused(code, f"There is no {model._meta.verbose_name} {key!r}.")
    stock, _ = Stock.objects.get_or_create(product_id=sku, warehouse_id=warehouse)
    return Stock.objects.select_for_update().get(id=stock.id)


def _tell_low(sku: str, delta: int, actor: str) -> None:
    """As a hold does: only who crosses the threshold downward is told of, once."""
    threshold = Product.objects.values_list("low_stock", flat=True).get(sku=sku)
    available = Stock.objects.filter(product_id=sku).aggregate(left=Sum(F("on_hand") - F("held")))["left"]
    if available < threshold <= available - delta:
        with caused_by(replace(current_context(), actor=actor)):
            emit([InventoryLow(sku=sku, available=available, threshold=threshold)])
