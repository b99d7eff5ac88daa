"""The admin pages of returns, with the steps that staff take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from desk import audit
from desk.actors import actor_of
from desk.one_line import validate_one_line
from desk.readonly import ReadOnlyInline, SearchableAdmin, as_uuid, badge, link
from orders.admin_search import NUMBER
from orders.events import Received
from orders.fulfilment import returns
from orders.fulfilment.admin import ask_then_do
from orders.models import Return, ReturnLine, ReturnStatus
from orders.page import RETURN_COLOURS
from orders.ports import warehouses

POSSIBLE = {
    "approve": ReturnStatus.REQUESTED,
    "reject": ReturnStatus.REQUESTED,
    "receive": ReturnStatus.APPROVED,
}
"""The status in which the page offers each action, by the action's URL path."""


class SeenReturnForm(forms.Form):
    """Carries the return's status as the page showed it, so that a stale page or a double click changes nothing."""

    seen = forms.ChoiceField(choices=ReturnStatus.choices, widget=forms.HiddenInput)

    def __init__(self, data: Any, taken: Return) -> None:
        super().__init__(data, initial={"seen": taken.status})


class RejectForm(SeenReturnForm):
    reason = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        validators=[validate_one_line],
        help_text="The customer sees this reason in the e-mail.",
    )


class ReceiveForm(SeenReturnForm):
    """Two quantity fields per line: what can be sold again, and what cannot. All zero: nothing arrived."""

    def __init__(self, data: Any, taken: Return) -> None:
        super().__init__(data, taken)
        self.fields["warehouse"] = forms.ChoiceField(
            choices=[(code, f"{code} {name}") for code, name in warehouses().items()],
            widget=UnfoldAdminSelectWidget, help_text="Where the goods arrived",
        )  # fmt: skip
        self.lines = list(taken.lines.select_related("line").order_by("id"))
        for number, line in enumerate(self.lines):
            for condition, label in (("restock", "restock"), ("write_off", "write off")):
                self.fields[f"{condition}_{number}"] = forms.IntegerField(
                    label=f"{line.line.sku} {line.line.name}: {label}", min_value=0, max_value=line.quantity,
                    required=False, initial=line.quantity if condition == "restock" else 0,
                    help_text=f"At most {line.quantity} in both conditions together",
                    widget=UnfoldAdminIntegerFieldWidget,
                )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        for number, line in enumerate(self.lines):
            if sum(self._count(condition, number) for condition in ("restock", "write_off")) > line.quantity:
                self.add_error(f"write_off_{number}", f"Enter at most {line.quantity} in both conditions together.")
        return self.cleaned_data

    @property
    def pieces(self) -> list[Received]:
        return [
            Received(sku=line.line.sku, quantity=quantity, condition=condition)
            for number, line in enumerate(self.lines)
            for condition in ("restock", "write_off")
            if (quantity := self._count(condition, number))
        ]

    def _count(self, condition: str, number: int) -> int:
        return self.cleaned_data.get(f"{condition}_{number}") or 0


class ReturnLineInline(ReadOnlyInline):
    model = ReturnLine
    fields = ("line", "quantity", "restocked", "written_off")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("orders.view_return")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReturnLine]:
        rows: QuerySet[ReturnLine] = super().get_queryset(request)
        return rows.select_related("line")


@admin.register(Return)
class ReturnAdmin(SearchableAdmin):
    list_display = ("id", "order_link", "status_badge", "reason", "amount", "created_at")
    list_select_related = ("order",)
    list_filter = (("status", ChoicesCheckboxFilter),)
    search_fields = ("order__number",)
    search_help_text = "Enter an order number, an order id or a return id"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "order_link", "status_badge", "reason", "reject_reason", "warehouse", "amount", "created_at", "updated_at",
    )  # fmt: skip
    readonly_fields = fields
    inlines = (ReturnLineInline,)
    actions_detail = ("approve_one", "reject_one", "receive_one")

    def find(self, queryset: QuerySet[Return], term: str) -> QuerySet[Return]:
        if wanted := as_uuid(term):
            return queryset.filter(Q(id=wanted) | Q(order_id=wanted))
        return queryset.filter(order__number=term.upper()) if NUMBER.match(term.upper()) else queryset.none()

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        taken = self.get_object(request, object_id)
        if taken is None:
            return []
        return [one for one in super().get_actions_detail(request, object_id) if taken.status == POSSIBLE[one.path]]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit of returns names their orders."""
        taken = self.get_object(request, object_id)
        about = urlencode({"q": str(taken.order_id if taken else object_id)})
        return HttpResponseRedirect(f"{reverse('admin:desk_audit_changelist')}?{about}")

    @display(description="Order")
    def order_link(self, taken: Return) -> SafeString:
        return link(reverse("admin:orders_order_change", args=[taken.order_id]), taken.order.number)

    @display(description="Status")
    def status_badge(self, taken: Return) -> SafeString:
        return badge(taken.status, RETURN_COLOURS[ReturnStatus(taken.status)])

    @display(description="Refund")
    def amount(self, taken: Return) -> str:
        return str(taken.money)

    def has_approve_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.approve_return")

    def has_receive_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.receive_return")

    @action(description="Approve", permissions=["approve"], url_path="approve", icon="check")
    def approve_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def approve(taken: Return, form: SeenReturnForm) -> None:
            returns.approve(taken.id, expected_status=form.cleaned_data["seen"])
            self._audit(request, "approve return", taken)

        return self._ask(
            request, object_id, SeenReturnForm, approve, title="Approve", button="Approve",
            question="May the customer send these goods? Nothing is refunded before they arrive.", done="Approved.",
        )  # fmt: skip

    @action(
        description="Reject", permissions=["approve"], url_path="reject", icon="block", variant=ActionVariant.DANGER
    )
    def reject_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def reject(taken: Return, form: RejectForm) -> None:
            reason = form.cleaned_data["reason"]
            returns.reject(taken.id, reason, expected_status=form.cleaned_data["seen"])
            self._audit(request, "reject return", taken, reason=reason)

        return self._ask(
            request, object_id, RejectForm, reject, title="Reject", button="Reject",
            question="Why can these goods not be returned?", done="Rejected.",
        )  # fmt: skip

    @action(description="Receive", permissions=["receive"], url_path="receive", icon="inventory")
    def receive_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def receive(taken: Return, form: ReceiveForm) -> None:
            warehouse = form.cleaned_data["warehouse"]
            returns.receive(taken.id, form.pieces, warehouse=warehouse, expected_status=form.cleaned_data["seen"])
            self._audit(request, "receive return", taken, warehouse=warehouse)

        return self._ask(
            request, object_id, ReceiveForm, receive, title="Receive", button="Receive",
            question="What has arrived? It is refunded, whether or not it can be sold again.", done="Received.",
        )  # fmt: skip

    def _ask(
        self,
        request: HttpRequest,
        object_id: str,
        form_of: Callable[[Any, Return], Any],
        operation: Callable[[Return, Any], None],
        *,
        title: str,
        question: str,
        button: str,
        done: str,
    ) -> HttpResponse:
        taken = self.get_object(request, object_id)
        if taken is None:
            return HttpResponseRedirect(reverse("admin:orders_return_changelist"))
        page = reverse("admin:orders_return_change", args=[taken.pk])
        return ask_then_do(
            self, request, taken, form_of, operation,
            page=page, title=title, question=question, button=button, done=done,
        )  # fmt: skip

    def _audit(self, request: HttpRequest, step: str, taken: Return, *, reason: str = "", **details: str) -> None:
        names = {"return": str(taken.id), **details}
        audit.record(actor_of(request.user), step, "order", [taken.order_id], reason=reason, details=names)
