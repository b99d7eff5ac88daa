"""Payments and refunds, for people to look at: money moves by sagas alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import display

from events.readonly import ReadOnlyAdmin, badge
from payments.models import Payment, PaymentStatus, Refund

COLOURS = {
    PaymentStatus.PENDING: "warning",
    PaymentStatus.AUTHORIZED: "info",
    PaymentStatus.SUCCEEDED: "success",
    PaymentStatus.FAILED: "danger",
    PaymentStatus.VOIDED: "",
    PaymentStatus.PARTIALLY_REFUNDED: "primary",
    PaymentStatus.REFUNDED: "primary",
}


class RefundInline(TabularInline):
    model = Refund
    fields = ("refund_id", "amount", "created_at")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("order_id", "status_badge", "money", "reason", "created_at")
    list_filter = (("status", ChoicesCheckboxFilter),)
    search_fields = ("order_id__exact",)
    search_help_text = "The whole id of an order"
    ordering = ("-order_id",)
    sortable_by = ()
    fields = (
        "order_link", "status_badge", "money", "refunded", "reason", "authorization_id", "authorization_key",
        "created_at", "updated_at",
    )  # fmt: skip
    inlines = (RefundInline,)

    @display(description="Status")
    def status_badge(self, payment: Payment) -> SafeString:
        return badge(payment.status, COLOURS[PaymentStatus(payment.status)])

    @display(description="Order")
    def order_link(self, payment: Payment) -> SafeString:
        url = reverse("admin:orders_order_change", args=[payment.order_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, payment.order_id)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("key", "payment_id", "amount", "created_at")
    list_select_related = ("payment",)
    ordering = ("-created_at",)
    sortable_by = ()
    fields = ("key", "payment", "amount", "refund_id", "created_at")
