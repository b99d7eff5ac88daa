"""The query filters of product and stock lists."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q, QuerySet
from django_filters import rest_framework as filters

from inventory.models import Product, Stock

YES_NO = [("true", "yes"), ("false", "no")]


class ProductFilters(filters.FilterSet):
    search = filters.CharFilter(method="_search", max_length=200, label="Text in the SKU or the name")
    inStock = filters.ChoiceFilter(choices=YES_NO, method="_in_stock", label="Whether any is available")  # noqa: N815

    class Meta:
        model = Product
        fields: list[str] = []

    def _search(self, queryset: QuerySet[Product], name: str, text: str) -> QuerySet[Product]:
        return queryset.filter(Q(sku__icontains=text) | Q(name__icontains=text))

    def _in_stock(self, queryset: QuerySet[Product], name: str, value: str) -> QuerySet[Product]:
        counted: Any = queryset  # `selectors.products()` annotates `available`
        return counted.filter(available__gt=0) if value == "true" else counted.filter(available__lte=0)  # type: ignore[no-any-return]


class StockFilters(filters.FilterSet):
    sku = filters.CharFilter(field_name="product_id", max_length=64, label="The complete SKU")
    warehouse = filters.CharFilter(field_name="warehouse_id", max_length=20, label="The warehouse's code")
    inStock = filters.ChoiceFilter(choices=YES_NO, method="_in_stock", label="Whether any is available")  # noqa: N815

    class Meta:
        model = Stock
        fields: list[str] = []

    def _in_stock(self, queryset: QuerySet[Stock], name: str, value: str) -> QuerySet[Stock]:
        return queryset.filter(held__lt=F("on_hand")) if value == "true" else queryset.filter(held=F("on_hand"))
