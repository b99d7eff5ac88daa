"""The query filters of lists of orders and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.exceptions import PermissionDenied

from orders.models import Order, Return, ReturnStatus, Status
from orders.selectors import created_after, created_before, with_sku
from web.moments import MomentFilter

if TYPE_CHECKING:
    from datetime import datetime


class OrderFilters(filters.FilterSet):
    status = filters.ChoiceFilter(choices=Status.choices)
    createdAfter = MomentFilter(method="_created_after", label="RFC 3339; exclusive")  # noqa: N815
    createdBefore = MomentFilter(method="_created_before", label="RFC 3339; exclusive")  # noqa: N815
    sku = filters.CharFilter(method="_sku", max_length=64, label="Orders with a line of this product")
    customer = filters.UUIDFilter(method="_customer", label="Customer id; staff only")

    class Meta:
        model = Order
        fields: list[str] = []

    def _created_after(self, queryset: QuerySet[Order], name: str, moment: datetime) -> QuerySet[Order]:
        return created_after(queryset, moment)

    def _created_before(self, queryset: QuerySet[Order], name: str, moment: datetime) -> QuerySet[Order]:
        return created_before(queryset, moment)

    def _sku(self, queryset: QuerySet[Order], name: str, sku: str) -> QuerySet[Order]:
        return with_sku(queryset, sku)

    def _customer(self, queryset: QuerySet[Order], name: str, customer: UUID) -> QuerySet[Order]:
        user: Any = self.request.user
        if not user.has_perm("orders.view_order"):
            raise PermissionDenied(
                "Only staff can filter by customer. Remove the parameter `customer` to list your own orders."
            )
        return queryset.filter(customer_id=customer)


class ReturnFilters(filters.FilterSet):
    status = filters.ChoiceFilter(choices=ReturnStatus.choices)
    order = filters.UUIDFilter(field_name="order_id", label="Order id")

    class Meta:
        model = Return
        fields: list[str] = []
