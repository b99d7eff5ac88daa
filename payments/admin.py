"""The read-only admin pages for payments and refunds. Only sagas move money."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import display

from desk.readonly import ReadOnlyAdmin, ReadOnlyInline, badge, link
from events import Money
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


class RefundInline(ReadOnlyInline):
    model = Refund
    fields = ("refund_id", "money", "created_at")
    readonly_fields = fields


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    has_history = False
    list_display = ("order_id", "status_badge", "money", "reason", "created_at")
    list_filter = (("status", ChoicesCheckboxFilter),)
    search_fields = ("order_id__exact",)
    search_help_text = "Enter a complete order id"
    ordering = ("-order_id",)
    sortable_by = ()
    fields = (
        "order_link", "status_badge", "money", "refunded_money", "reason", "authorization_id", "authorization_key",
        "created_at", "updated_at",
    )  # fmt: skip
    inlines = (RefundInline,)

    @display(description="Status")
    def status_badge(self, payment: Payment) -> SafeString:
        return badge(payment.status, COLOURS[PaymentStatus(payment.status)])

    @display(description="Refunded")
    def refunded_money(self, payment: Payment) -> str:
        return str(Money(payment.refunded, payment.currency))

    @display(description="Order")
    def order_link(self, payment: Payment) -> SafeString:
        url = reverse("admin:orders_order_change", args=[payment.order_id])
        return link(url, payment.order_id)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    has_history = False
    list_display = ("key", "payment_id", "money", "created_at")
    list_select_related = ("payment",)
    ordering = ("-created_at",)
    sortable_by = ()
    fields = ("key", "payment", "money", "refund_id", "created_at")
