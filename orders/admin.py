"""The admin pages for orders. One page shows everything about an order and offers the actions on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from desk import audit
from desk.actors import actor_of
from desk.confirm import confirm, confirmed
from desk.one_line import validate_one_line
from desk.readonly import ReadOnlyAdmin, SearchableAdmin, badge
from events import Money
from events.errors import Conflict
from events.log.context import acting
from orders.admin_search import CreatedFilter, matching
from orders.fulfilment import returns_admin  # noqa: F401  importing it registers the pages of returns
from orders.fulfilment.admin import POSSIBLE, FulfilmentAdmin
from orders.models import DailySales, IllegalTransition, Order, RefundStatus, Status
from orders.page import COLOURS, REFUND_COLOURS, page_of
from orders.services import StaleVersion, request_cancellation


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        validators=[validate_one_line],
        help_text="The customer sees this reason in the e-mail.",
    )


@admin.register(Order)
class OrderAdmin(FulfilmentAdmin, SearchableAdmin):
    list_display = ("number", "status_badge", "refund_badge", "email", "customer_id", "amount", "created_at")
    list_filter = (("status", ChoicesCheckboxFilter), ("refund_status", ChoicesCheckboxFilter), CreatedFilter)
    search_fields = ("number",)
    search_help_text = "Enter an order number, an order id, a customer id or a complete e-mail address"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("number",)
    actions = ("cancel_selected",)
    actions_detail = ("ship_one", "deliver_one", "return_one", "refund_one", "cancel_one")
    change_form_template = "admin/orders/order/page.html"

    class Media:
        css = {"all": ["sagas/admin.css"]}

    def find(self, queryset: QuerySet[Order], term: str) -> QuerySet[Order]:
        return matching(queryset, term)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        context: dict[str, Any] = {"subtitle": None}
        if order and self.has_view_permission(request, order):
            context |= page_of(order, request)
        response: HttpResponse = super().change_view(request, object_id, form_url, context | (extra_context or {}))
        return response

    @display(description="Status")
    def status_badge(self, order: Order) -> SafeString:
        return badge(order.status, COLOURS[Status(order.status)])

    @display(description="Refund")
    def refund_badge(self, order: Order) -> SafeString | str:
        return (
            badge(order.refund_status, REFUND_COLOURS[RefundStatus(order.refund_status)]) if order.refund_status else ""
        )

    @display(description="Total")
    def amount(self, order: Order) -> str:
        return str(order.money)

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.cancel_order")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        order = self.get_object(request, object_id)
        if order is None:
            return []
        possible = {path for path, statuses in POSSIBLE.items() if order.status in statuses}
        if not order.refundable:
            possible.discard("refund")
        return [one for one in super().get_actions_detail(request, object_id) if one.path in possible]

    @action(
        description="Cancel order",
        permissions=["cancel"],
        url_path="cancel",
        icon="cancel",
        variant=ActionVariant.DANGER,
    )
    def cancel_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.get_object(request, object_id)
        if order is None:
            return HttpResponseRedirect(reverse("admin:orders_order_changelist"))
        if order.status == Status.PARTIALLY_SHIPPED:
            return self.cancel_items(request, object_id)
        page = reverse("admin:orders_order_change", args=[order.pk])
        return self._cancel(request, [order], back=page) or HttpResponseRedirect(page)

    @action(description="Cancel selected orders", permissions=["cancel"], icon="cancel")
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        orders = list(queryset[: self.list_per_page])
        return self._cancel(request, orders, action="cancel_selected", back=request.get_full_path())

    def _cancel(self, request: HttpRequest, orders: list[Order], *, back: str, action: str = "") -> HttpResponse | None:
        """Shows the confirmation page until the user has entered a reason and confirmed; returns None when done."""
        form = ReasonForm(request.POST if confirmed(request) else None)
        if form.is_valid():
            self._cancel_all(request, orders, form.cleaned_data["reason"])
            return None
        return confirm(
            self, request, objects=orders, action=action, form=form, back=back, button="Cancel permanently",
            title="Cancel orders" if action else "Cancel order",
            question="Cancel? What was paid is refunded and what was taken from the stock is restocked.",
        )  # fmt: skip

    def _cancel_all(self, request: HttpRequest, orders: Iterable[Order], reason: str) -> None:
        """Cancels each order in its own transaction, so that one refusal does not stop the others."""
        cancelled = 0
        for order in orders:
            if order.status == Status.PARTIALLY_SHIPPED:
                detail = f"Order {order} is partially shipped: open it to cancel what is unshipped."
                self.message_user(request, detail, messages.ERROR)
                continue
            try:
                with acting(actor_of(request.user)), transaction.atomic():
                    request_cancellation(order.id, reason=reason, expected_version=order.version)
                    audit.record(actor_of(request.user), "cancel", "order", [order.id], reason=reason)
            except (IllegalTransition, StaleVersion, Conflict) as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                cancelled += 1
        if cancelled:
            self.message_user(
                request,
                f"Cancellation requested for {cancelled} order{'' if cancelled == 1 else 's'}.",
                messages.SUCCESS,
            )


@admin.register(DailySales)
class DailySalesAdmin(ReadOnlyAdmin):
    """Shows the live build of the read model. To rebuild it, use the Replays page."""

    has_history = False
    list_display = ("day", "currency", "confirmed", "revenue_money", "cancelled", "returned", "refunded_money")
    ordering = ("-day", "currency")
    sortable_by = ()
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[DailySales]:
        return DailySales.objects.live()

    @display(description="Revenue")
    def revenue_money(self, day: DailySales) -> str:
        return str(Money(day.revenue, day.currency))

    @display(description="Refunded")
    def refunded_money(self, day: DailySales) -> str:
        return str(Money(day.refunded, day.currency))
