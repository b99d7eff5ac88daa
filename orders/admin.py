"""Orders, for people: one page tells an order's whole story, and what may be done is done from there."""

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

from events.audit import note
from events.errors import Conflict
from events.readonly import ReadOnlyAdmin, badge
from events.staff import acting, confirm, confirmed
from orders.finding import CreatedFilter, matching
from orders.fulfilment_admin import POSSIBLE, FulfilmentAdmin
from orders.models import DailySales, IllegalTransition, Order, Status
from orders.page import COLOURS, page_of
from orders.services import request_cancellation


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=100, widget=UnfoldAdminTextInputWidget, help_text="The customer reads it in the e-mail."
    )


@admin.register(Order)
class OrderAdmin(FulfilmentAdmin, ReadOnlyAdmin):
    list_display = ("number", "status_badge", "email", "customer_id", "amount", "created_at")
    list_filter = (("status", ChoicesCheckboxFilter), CreatedFilter)
    search_fields = ("number",)
    search_help_text = "A number, an id, a customer's id or a whole e-mail address"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("number",)
    actions = ("cancel_selected",)
    actions_detail = ("ship_one", "deliver_one", "take_back_one", "cancel_one")
    change_form_template = "admin/orders/order/page.html"

    class Media:
        css = {"all": ["events/admin.css", "sagas/admin.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        return (matching(queryset, search_term) if search_term else queryset), False

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

    @display(description="Total")
    def amount(self, order: Order) -> str:
        return str(order.money)

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.cancel_order")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        order = self.get_object(request, object_id)
        if order is None:
            return []
        return [one for one in super().get_actions_detail(request, object_id) if order.status in POSSIBLE[one.path]]

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
        page = reverse("admin:orders_order_change", args=[order.pk])
        return self._cancel(request, [order], back=page) or HttpResponseRedirect(page)

    @action(description="Cancel selected orders", permissions=["cancel"], icon="cancel")
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        orders = list(queryset[: self.list_per_page])
        return self._cancel(request, orders, action="cancel_selected", back=request.get_full_path())

    def _cancel(self, request: HttpRequest, orders: list[Order], *, back: str, action: str = "") -> HttpResponse | None:
        """The page that asks, until there is a reason and a yes."""
        form = ReasonForm(request.POST if confirmed(request) else None)
        if form.is_valid():
            self._cancel_all(request, orders, form.cleaned_data["reason"])
            return None
        return confirm(
            self, request, objects=orders, action=action, form=form, back=back, button="Cancel for good",
            title="Cancel orders" if action else "Cancel order",
            question="Cancel? What was paid is refunded and what was taken from the stock goes back.",
        )  # fmt: skip

    def _cancel_all(self, request: HttpRequest, orders: Iterable[Order], reason: str) -> None:
        """Each in its own transaction: one that may not be cancelled does not keep the others."""
        cancelled = 0
        for order in orders:
            try:
                with acting(request), transaction.atomic():
                    request_cancellation(order.id, reason=reason)
                    note(request.user.get_username(), "cancel", "order", [order.id], reason=reason)
            except (IllegalTransition, Conflict) as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                cancelled += 1
        if cancelled:
            self.message_user(request, f"Cancellation asked for: {cancelled}.", messages.SUCCESS)


@admin.register(DailySales)
class DailySalesAdmin(ReadOnlyAdmin):
    """Of the live build; who wants it made anew finds that under Replays."""

    list_display = ("day", "currency", "confirmed", "revenue", "cancelled", "returned", "given_back")
    ordering = ("-day", "currency")
    sortable_by = ()
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[DailySales]:
        return DailySales.objects.live()
