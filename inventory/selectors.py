"""Reading the catalogue and the stock."""

from collections.abc import Mapping, Sequence

from django.db.models import F, IntegerField, QuerySet, Sum
from django.db.models.functions import Coalesce

from events import Money, sql
from inventory.models import Product


def products(*, also_inactive: bool = False) -> QuerySet[Product]:
    """What is for sale, each with `available` over all warehouses."""
    available = Coalesce(Sum(F("stock__on_hand") - F("stock__held")), 0, output_field=IntegerField())
    rows = Product.objects.all() if also_inactive else Product.objects.filter(active=True)
    return rows.annotate(available=available)


def offers(skus: Sequence[str]) -> Mapping[str, tuple[str, Money]]:
    """Name and price of those of these products that are for sale."""
    return {sku: (name, Money(price, currency)) for sku, name, price, currency in sql.run(OFFERS, [list(skus)])}


OFFERS = "SELECT sku, name, price, currency FROM inventory_product WHERE sku = ANY(%s) AND active"
