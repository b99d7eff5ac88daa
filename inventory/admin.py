"""The admin pages for products, warehouses and stock. Reservations and holds are read-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, IntegerField, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesCheckboxFilter, RelatedCheckboxFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from desk.actors import actor_of
from desk.edits import AuditedEdits
from desk.readonly import ReadOnlyAdmin, ReadOnlyInline, UncountedAdmin, badge, link
from inventory import staff_edits
from inventory.models import Hold, Product, Reservation, ReservationState, Stock, Warehouse
from inventory.rules import MAX_REASON

COLOURS = {
    ReservationState.HELD: "info",
    ReservationState.COMMITTED: "success",
    ReservationState.REJECTED: "danger",
    ReservationState.RELEASED: "",
    ReservationState.RESTOCKED: "warning",
}


class StockInline(ReadOnlyInline):
    model = Stock
    fields = ("warehouse", "on_hand", "held", "available")
    readonly_fields = fields
    show_change_link = True


@admin.register(Product)
class ProductAdmin(AuditedEdits, UncountedAdmin):
    list_display = ("sku", "name", "money", "available", "held", "for_sale")
    list_filter = (("active", BooleanRadioFilter),)
    search_fields = ("sku", "name")
    ordering = ("sku",)
    sortable_by = ()
    fields = ("sku", "name", "description", "price", "currency", "active", "low_stock")
    inlines = (StockInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> tuple[str, ...]:
        return ("sku",) if obj else ()  # the SKU is the primary key: changing it would create another product

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        rows: QuerySet[Product] = super().get_queryset(request)
        total = {"output_field": IntegerField()}
        return rows.annotate(
            available_now=Coalesce(Sum(F("stock__on_hand") - F("stock__held")), 0, **total),
            held_now=Coalesce(Sum("stock__held"), 0, **total),
        )

    @display(description="Price")
    def money(self, product: Product) -> str:
        return str(product.money)

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
class WarehouseAdmin(AuditedEdits, ModelAdmin):
    list_display = ("code", "name", "priority")
    search_fields = ("code", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Warehouse | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()


class StockForm(forms.ModelForm):  # type: ignore[type-arg]
    """Applies the change of `on_hand` as a difference, so that sales since the page was opened are kept."""

    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        max_length=MAX_REASON, widget=UnfoldAdminTextInputWidget, help_text="Recorded in the audit, such as: broken"
    )

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
                self.add_error("on_hand", f"{held} are held for orders. Enter at least {held}.")
        return data


@admin.register(Stock)
class StockAdmin(UncountedAdmin):
    form = StockForm
    list_display = ("product", "warehouse", "on_hand", "held", "available")
    list_filter = (("warehouse", RelatedCheckboxFilter),)
    list_select_related = ("product", "warehouse")
    search_fields = ("product__sku", "product__name")
    sortable_by = ()
    fields = ("product", "warehouse", "on_hand", "held", "available", "reason", "seen")
    autocomplete_fields = ("product",)

    def get_readonly_fields(self, request: HttpRequest, obj: Stock | None = None) -> tuple[str, ...]:
        return ("product", "warehouse", "held", "available") if obj else ("held", "available")

    def audit_target(self, row: Stock) -> str:
        return staff_edits.audit_id(row.product_id, row.warehouse_id)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # goods leave the stock by a correction, which has a reason

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: `staff_edits.adjust` writes to the audit. The same holds for `log_change`."""

    log_change = log_addition

    def save_model(self, request: HttpRequest, obj: Stock, form: Any, change: bool) -> None:
        """Saves as the API does: with an audit record, and with `inventory.low` if stock falls below the threshold."""
        delta = obj.on_hand - form.initial.get("on_hand", 0)
        if change and not delta:
            return
        actor, reason = actor_of(request.user), form.cleaned_data["reason"]
        obj.pk = staff_edits.adjust(obj.product_id, obj.warehouse_id, delta, actor=actor, reason=reason).pk

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Stock | None:
        """Locks the row until the form is saved, so that no hold changes it in between."""
        if request.method == "POST" and object_id.isdecimal():
            Stock.objects.select_for_update().filter(pk=object_id).first()
        stock: Stock | None = super().get_object(request, object_id, from_field)
        return stock


class HoldInline(ReadOnlyInline):
    model = Hold
    fields = ("stock", "quantity", "restocked", "written_off")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        rows: QuerySet[Hold] = super().get_queryset(request)
        return rows.select_related("stock")


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    has_history = False
    list_display = ("order_id", "state_badge", "held_until")
    list_filter = (("state", ChoicesCheckboxFilter),)
    search_fields = ("order_id__exact",)
    search_help_text = "Enter a complete order id"
    ordering = ("-order_id",)
    sortable_by = ()
    fields = ("order_link", "state_badge", "held_until")
    inlines = (HoldInline,)

    @display(description="State")
    def state_badge(self, reservation: Reservation) -> SafeString:
        return badge(reservation.state, COLOURS[ReservationState(reservation.state)])

    @display(description="Held until")
    def held_until(self, reservation: Reservation) -> datetime | None:
        return reservation.expires_at if reservation.state == ReservationState.HELD else None

    @display(description="Order")
    def order_link(self, reservation: Reservation) -> SafeString:
        url = reverse("admin:orders_order_change", args=[reservation.order_id])
        return link(url, reservation.order_id)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    has_history = False
    list_display = ("id", "reservation_id", "stock", "quantity", "restocked", "written_off")
    list_select_related = ("stock",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("reservation", "stock", "quantity", "restocked", "written_off")
