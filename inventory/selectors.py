"""Queries that read products and stock."""

from collections.abc import Mapping, Sequence

from django.db.models import F, IntegerField, QuerySet, Sum
from django.db.models.functions import Coalesce

from events import Money
from events.db.query import execute
from inventory.models import Product, Warehouse


def products(*, also_inactive: bool = False) -> QuerySet[Product]:
    """Products for sale, each annotated with `available`: the quantity in all warehouses together."""
    available = Coalesce(Sum(F("stock__on_hand") - F("stock__held")), 0, output_field=IntegerField())
    rows = Product.objects.all() if also_inactive else Product.objects.filter(active=True)
    return rows.annotate(available=available)


def offers(skus: Sequence[str]) -> Mapping[str, tuple[str, Money]]:
    """Name and price by SKU. Products that are not for sale are left out."""
    return {sku: (name, Money(price, currency)) for sku, name, price, currency in execute(OFFERS, [list(skus)])}


def warehouses() -> Mapping[str, str]:
    """The names of the warehouses by code, the one that ships first at the beginning."""
    return dict(Warehouse.objects.values_list("code", "name"))


OFFERS = "SELECT sku, name, price, currency FROM inventory_product WHERE sku = ANY(%s) AND active"
