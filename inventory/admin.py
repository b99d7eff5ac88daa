"""The catalogue and the stock, for people; what is held for orders is theirs alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, IntegerField, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesCheckboxFilter, RelatedCheckboxFilter
from unfold.decorators import display

from events.readonly import ReadOnlyAdmin, UncountedAdmin, badge
from inventory import by_hand
from inventory.models import Hold, Product, Reservation, ReservationState, Stock, Warehouse

COLOURS = {
    ReservationState.HELD: "info",
    ReservationState.COMMITTED: "success",
    ReservationState.REJECTED: "danger",
    ReservationState.RELEASED: "",
    ReservationState.RESTOCKED: "warning",
}


class ShownInline(TabularInline):
    """Rows to look at beside their owner."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StockInline(ShownInline):
    model = Stock
    fields = ("warehouse", "on_hand", "held", "available")
    readonly_fields = fields
    show_change_link = True


@admin.register(Product)
class ProductAdmin(UncountedAdmin):
    list_display = ("sku", "name", "price", "currency", "available", "held", "for_sale")
    list_filter = (("active", BooleanRadioFilter),)
    search_fields = ("sku", "name")
    ordering = ("sku",)
    sortable_by = ()
    fields = ("sku", "name", "description", "price", "currency", "active", "low_stock")
    inlines = (StockInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> tuple[str, ...]:
        return ("sku",) if obj else ()  # it is the key: another one would be another product

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        rows: QuerySet[Product] = super().get_queryset(request)
        total = {"output_field": IntegerField()}
        return rows.annotate(
            available_now=Coalesce(Sum(F("stock__on_hand") - F("stock__held")), 0, **total),
            held_now=Coalesce(Sum("stock__held"), 0, **total),
        )

    @display(description="Available")
    def available(self, product: Any) -> int:
        return int(product.available_now)

    @display(description="Held")
    def held(self, product: Any) -> int:
        return int(product.held_now)

    @display(description="For sale", boolean=True)
    def for_sale(self, product: Product) -> bool:
        return product.active


@admin.register(Warehouse)
class WarehouseAdmin(ModelAdmin):
    list_display = ("code", "name", "priority")
    search_fields = ("code", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Warehouse | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()


class StockForm(forms.ModelForm):  # type: ignore[type-arg]
    """`on_hand` is a correction: what was sold since the page was opened stays sold."""

    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Stock
        fields = ("product", "warehouse", "on_hand")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = self.instance.on_hand

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if "on_hand" in data and self.instance.pk:
            seen = data.get("seen")
            data["on_hand"] += self.instance.on_hand - (self.instance.on_hand if seen is None else seen)
            if data["on_hand"] < self.instance.held:
                held = self.instance.held
                self.add_error("on_hand", f"{held} are held for orders, so at least {held} must stay on hand.")
        return data


@admin.register(Stock)
class StockAdmin(UncountedAdmin):
    form = StockForm
    list_display = ("product", "warehouse", "on_hand", "held", "available")
    list_filter = (("warehouse", RelatedCheckboxFilter),)
    list_select_related = ("product", "warehouse")
    search_fields = ("product__sku", "product__name")
    sortable_by = ()
    fields = ("product", "warehouse", "on_hand", "held", "available", "seen")
    autocomplete_fields = ("product",)

    def get_readonly_fields(self, request: HttpRequest, obj: Stock | None = None) -> tuple[str, ...]:
        return ("product", "warehouse", "held", "available") if obj else ("held", "available")

    def save_model(self, request: HttpRequest, obj: Stock, form: Any, change: bool) -> None:
        """By the way that the API goes too: with a line in the audit, and `inventory.low` where it is due."""
        delta = obj.on_hand - form.initial.get("on_hand", 0)
        if change and not delta:
            return
        actor, reason = request.user.get_username(), "corrected in the admin"
        obj.pk = by_hand.adjust(obj.product_id, obj.warehouse_id, delta, actor=actor, reason=reason).pk

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Stock | None:
        """Locked until the form is saved, so that no hold slips in between."""
        if request.method == "POST" and object_id.isdecimal():
            Stock.objects.select_for_update().filter(pk=object_id).first()
        stock: Stock | None = super().get_object(request, object_id, from_field)
        return stock


class HoldInline(ShownInline):
    model = Hold
    fields = ("stock", "quantity")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        rows: QuerySet[Hold] = super().get_queryset(request)
        return rows.select_related("stock")


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    list_display = ("order_id", "state_badge", "expires_at")
    list_filter = (("state", ChoicesCheckboxFilter),)
    search_fields = ("order_id__exact",)
    search_help_text = "The whole id of an order"
    ordering = ("-order_id",)
    sortable_by = ()
    fields = ("order_link", "state_badge", "expires_at")
    inlines = (HoldInline,)

    @display(description="State")
    def state_badge(self, reservation: Reservation) -> SafeString:
        return badge(reservation.state, COLOURS[ReservationState(reservation.state)])

    @display(description="Order")
    def order_link(self, reservation: Reservation) -> SafeString:
        url = reverse("admin:orders_order_change", args=[reservation.order_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, reservation.order_id)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ("id", "reservation_id", "stock", "quantity")
    list_select_related = ("stock",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("reservation", "stock", "quantity")
