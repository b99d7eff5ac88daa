"""The admin actions that ship, deliver, return and refund an order, and that cancel items of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from desk import audit
from desk.actors import actor_of
from desk.confirm import confirm, confirmed
from desk.one_line import validate_one_line
from desk.readonly import ReadOnlyAdmin
from events import Conflict, Money, Refused
from events.declare.money import BadMoney
from events.log.context import acting
from orders.events import Goods
from orders.fulfilment import returns, service
from orders.models import IllegalTransition, Order, OrderLine, Status
from orders.services import StaleVersion, request_cancellation

TIMES = "\N{MULTIPLICATION SIGN}"

if TYPE_CHECKING:
    Base = ReadOnlyAdmin
else:
    Base = object


class SeenForm(forms.Form):
    """Carries the order's version as the page showed it, so that a stale page or a double click changes nothing."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any, order: Order) -> None:
        super().__init__(data, initial={"version": order.version})


class GoodsForm(SeenForm):
    """One quantity field per line, limited by the value of that line in `most`."""

    everything = False

    def __init__(self, data: Any, order: Order, most: Mapping[OrderLine, int]) -> None:
        super().__init__(data, order)
        self.by_field = {f"line_{line.position}": line for line in most}
        for (name, line), quantity in zip(self.by_field.items(), most.values(), strict=True):
            self.fields[name] = forms.IntegerField(
                label=f"{line.sku} {line.name}", min_value=0, max_value=quantity, required=False,
                initial=quantity if self.everything else 0, help_text=f"At most {quantity}",
                widget=UnfoldAdminIntegerFieldWidget,
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        if self.by_field and not self.errors and not self.goods:  # without any line, the order itself refuses
            self.add_error(next(iter(self.by_field)), "Enter a quantity of at least 1 for at least one product.")
        return self.cleaned_data

    @property
    def goods(self) -> list[Goods]:
        chosen = {line.sku: self.cleaned_data[name] for name, line in self.by_field.items()}
        return [Goods(sku=sku, quantity=quantity) for sku, quantity in chosen.items() if quantity]


class ShipForm(GoodsForm):
    """The quantities default to everything that is not shipped yet."""

    everything = True
    carrier = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget, validators=[validate_one_line])
    tracking_number = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget, validators=[validate_one_line])


class ReturnForm(GoodsForm):
    reason = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget, validators=[validate_one_line])


class CancelItemsForm(GoodsForm):
    """The quantities default to everything that is not shipped yet. The page that asks once more sends `agreed`."""

    everything = True
    reason = forms.CharField(
        max_length=100, widget=UnfoldAdminTextInputWidget, help_text="The customer sees this reason in the e-mail."
    )
    agreed = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def asked_once_more(self, order: Order) -> CancelItemsForm:
        """The same answers, hidden, to be sent again."""
        data = {**dict(self.data.items()), "agreed": "yes"}
        form = CancelItemsForm(data, order, service.shippable(order))
        for field in form.fields.values():
            field.widget = forms.HiddenInput()
        return form


class RefundForm(SeenForm):
    """At most what was paid and is not refunded yet."""

    reason = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="For your colleagues: it is in the order's timeline.",
    )

    def __init__(self, data: Any, order: Order) -> None:
        super().__init__(data, order)
        most = Money(order.refundable, order.currency)
        self.currency = order.currency
        amount = forms.DecimalField(
            min_value=0, max_value=most.amount, max_digits=60, widget=UnfoldAdminDecimalFieldWidget,
            help_text=f"At most {most}",
        )  # fmt: skip
        self.fields = {"amount": amount, **self.fields}

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError("Enter an amount of more than 0.")
        try:
            return Money.of(amount, self.currency).amount
        except BadMoney as bad:
            raise forms.ValidationError(str(bad)) from bad


class FulfilmentAdmin(Base):
    """A mixin with the fulfilment actions for the order admin."""

    def has_ship_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.ship_order")

    def has_deliver_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.deliver_order")

    def has_return_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.return_order")

    def has_refund_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.refund_order")

    @action(description="Ship", permissions=["ship"], url_path="ship", icon="local_shipping")
    def ship_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def ship(order: Order, form: ShipForm) -> None:
            cleaned = form.cleaned_data
            shipment = service.ship(
                order.id, form.goods, carrier=cleaned["carrier"], tracking_number=cleaned["tracking_number"],
                expected_version=cleaned["version"],
            )  # fmt: skip
            self._audit(request, "ship", order, shipment=str(shipment.id))

        return self._ask(
            request, object_id, lambda data, order: ShipForm(data, order, service.shippable(order)), ship,
            title="Ship", button="Ship", question="What is in the parcel?", done="Shipped.",
        )  # fmt: skip

    @action(description="Delivered", permissions=["deliver"], url_path="deliver", icon="package_2")
    def deliver_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def deliver(order: Order, form: SeenForm) -> None:
            service.deliver(order.id, expected_version=form.cleaned_data["version"])
            self._audit(request, "deliver", order)

        return self._ask(
            request, object_id, SeenForm, deliver,
            title="Delivered", button="Mark as delivered", question="Has everything arrived?", done="Delivered.",
        )  # fmt: skip

    @action(description="Request return", permissions=["return"], url_path="return", icon="assignment_return")
    def return_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def request_return(order: Order, form: ReturnForm) -> None:
            cleaned = form.cleaned_data
            taken = returns.request_return(
                order.id, form.goods, reason=cleaned["reason"], expected_version=cleaned["version"]
            )
            self._audit(request, "return", order, reason=cleaned["reason"], taken=str(taken.id))

        return self._ask(
            request, object_id, lambda data, order: ReturnForm(data, order, returns.returnable(order)), request_return,
            title="Request return", button="Request return",
            question="What does the customer want to return?", done="The return was requested.",
        )  # fmt: skip

    def cancel_items(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks which unshipped items to cancel, then shows what that refunds, then cancels them."""

        def cancel(order: Order, form: CancelItemsForm) -> None:
            cleaned = form.cleaned_data
            cancelled = request_cancellation(
                order.id, reason=cleaned["reason"], items=form.goods, expected_version=cleaned["version"]
            )
            details = {"cancellation": str(cancelled.part.id)} if cancelled.part else {}
            self._audit(request, "cancel", order, reason=cleaned["reason"], **details)

        def ask_once_more(order: Order, form: CancelItemsForm, page: str) -> HttpResponse | None:
            if form.cleaned_data["agreed"]:
                return None
            items = [f"{item.quantity} {TIMES} {item.sku}" for item in form.goods]
            return confirm(
                self, request, objects=[*items, f"Refund: {service.refund_of(order, form.goods)}"],
                title="Cancel items", question=f"Cancel these items of {order}, and refund them?",
                button="Cancel permanently", form=form.asked_once_more(order), back=page,
            )  # fmt: skip

        return self._ask(
            request, object_id, lambda data, order: CancelItemsForm(data, order, service.shippable(order)), cancel,
            title="Cancel items", button="Continue", question="What of it will not be shipped?",
            done="Cancelled. The refund and the restock follow.", ask_once_more=ask_once_more,
        )  # fmt: skip

    @action(description="Refund", permissions=["refund"], url_path="refund", icon="currency_exchange")
    def refund_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def refund(order: Order, form: RefundForm) -> None:
            cleaned = form.cleaned_data
            amount = Money(cleaned["amount"], order.currency)
            requested = service.request_refund(
                order.id, amount, reason=cleaned["reason"], expected_version=cleaned["version"]
            )
            self._audit(
                request, "refund", order, reason=cleaned["reason"], amount=str(amount), refund=str(requested.id)
            )

        return self._ask(
            request, object_id, RefundForm, refund,
            title="Refund", button="Refund",
            question="How much is refunded? Nothing comes back for it.", done="Refund requested.",
        )  # fmt: skip

    def _ask(
        self,
        request: HttpRequest,
        object_id: str,
        form_of: Callable[[Any, Order], Any],
        operation: Callable[[Order, Any], None],
        *,
        title: str,
        question: str,
        button: str,
        done: str,
        ask_once_more: Callable[[Order, Any, str], HttpResponse | None] = lambda order, form, page: None,
    ) -> HttpResponse:
        """Shows the confirmation page until the form is valid, then runs `operation` and redirects to the order.

        `ask_once_more` gets a valid form, and returns a page while there is more to confirm.
        """
        order = self.get_object(request, object_id)
        if order is None:
            return HttpResponseRedirect(reverse("admin:orders_order_changelist"))
        page = reverse("admin:orders_order_change", args=[order.pk])
        return ask_then_do(
            self, request, order, form_of, operation,
            page=page, title=title, question=question, button=button, done=done, ask_once_more=ask_once_more,
        )  # fmt: skip

    def _audit(self, request: HttpRequest, operation: str, order: Order, *, reason: str = "", **details: str) -> None:
        audit.record(actor_of(request.user), operation, "order", [order.id], reason=reason, details=details)


def ask_then_do(
    admin: ReadOnlyAdmin,
    request: HttpRequest,
    row: Any,
    form_of: Callable[[Any, Any], Any],
    operation: Callable[[Any, Any], None],
    *,
    page: str,
    title: str,
    question: str,
    button: str,
    done: str,
    ask_once_more: Callable[[Any, Any, str], HttpResponse | None] = lambda *_: None,
) -> HttpResponse:
    """Shows the confirmation page until the form is valid, then runs `operation` and redirects to `page`.

    `ask_once_more` gets a valid form, and returns a page while there is more to confirm.
    """
    form = form_of(request.POST if confirmed(request) else None, row)
    if not form.is_valid():
        return confirm(
            admin, request, objects=[row], title=title, question=question, button=button, form=form, back=page
        )
    if (answer := ask_once_more(row, form, page)) is not None:
        return answer
    try:
        with acting(actor_of(request.user)), transaction.atomic():
            operation(row, form)
    except (IllegalTransition, StaleVersion, Conflict, Refused) as error:
        admin.message_user(request, str(error), messages.ERROR)
    else:
        admin.message_user(request, done, messages.SUCCESS)
    return HttpResponseRedirect(page)


POSSIBLE = {
    "cancel": {Status.PENDING, Status.CONFIRMED, Status.PARTIALLY_SHIPPED},
    "ship": {Status.CONFIRMED, Status.PARTIALLY_SHIPPED},
    "deliver": {Status.SHIPPED},
    "return": {Status.DELIVERED},
    "refund": {
        Status.CONFIRMED,
        Status.PARTIALLY_SHIPPED,
        Status.SHIPPED,
        Status.DELIVERED,
        Status.RETURNED,
    },
}
"""The statuses in which the page offers each action, by the action's URL path."""
