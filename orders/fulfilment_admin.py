"""Shipping, delivering and returning from the order's page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from events import Conflict, Refused
from events.audit import note
from events.readonly import ReadOnlyAdmin
from events.staff import acting, confirm, confirmed
from orders import fulfilment
from orders.events import Goods
from orders.models import IllegalTransition, Order, OrderLine, Status
from orders.services import StaleVersion

if TYPE_CHECKING:
    Base = ReadOnlyAdmin
else:
    Base = object


class SeenForm(forms.Form):
    """For an order as the page showed it: whoever was faster is not overtaken, and a double click acts once."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any, order: Order) -> None:
        super().__init__(data, initial={"version": order.version})


class GoodsForm(SeenForm):
    """A number for each line, at most `most` of it."""

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
        if self.by_field and not self.errors and not self.goods:  # without a line the order itself will refuse
            self.add_error(next(iter(self.by_field)), "Of at least one product there must be one.")
        return self.cleaned_data

    @property
    def goods(self) -> list[Goods]:
        chosen = {line.sku: self.cleaned_data[name] for name, line in self.by_field.items()}
        return [Goods(sku=sku, quantity=quantity) for sku, quantity in chosen.items() if quantity]


class ShipForm(GoodsForm):
    """As it comes, everything that is left is shipped."""

    everything = True
    carrier = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)
    tracking_number = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)


class ReturnForm(GoodsForm):
    reason = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)


class FulfilmentAdmin(Base):
    """Adds its actions to the admin of orders."""

    def has_ship_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.ship_order")

    def has_deliver_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.deliver_order")

    def has_take_back_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orders.return_order")

    @action(description="Ship", permissions=["ship"], url_path="ship", icon="local_shipping")
    def ship_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def ship(order: Order, form: ShipForm) -> None:
            cleaned = form.cleaned_data
            shipment = fulfilment.ship(
                order.id, form.goods, carrier=cleaned["carrier"], tracking_number=cleaned["tracking_number"],
                expected_version=cleaned["version"],
            )  # fmt: skip
            self._note(request, "ship", order, shipment=str(shipment.id))

        return self._ask(
            request, object_id, lambda data, order: ShipForm(data, order, fulfilment.shippable(order)), ship,
            title="Ship", button="Ship", question="What is in the parcel?", done="Shipped.",
        )  # fmt: skip

    @action(description="Delivered", permissions=["deliver"], url_path="deliver", icon="package_2")
    def deliver_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def deliver(order: Order, form: SeenForm) -> None:
            fulfilment.deliver(order.id, expected_version=form.cleaned_data["version"])
            self._note(request, "deliver", order)

        return self._ask(
            request, object_id, SeenForm, deliver,
            title="Delivered", button="It was delivered", question="Has everything arrived?", done="Delivered.",
        )  # fmt: skip

    @action(description="Return", permissions=["take_back"], url_path="return", icon="assignment_return")
    def take_back_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def take_back(order: Order, form: ReturnForm) -> None:
            cleaned = form.cleaned_data
            taken = fulfilment.take_back(
                order.id, form.goods, reason=cleaned["reason"], expected_version=cleaned["version"]
            )
            self._note(request, "return", order, reason=cleaned["reason"], taken=str(taken.id))

        return self._ask(
            request, object_id, lambda data, order: ReturnForm(data, order, fulfilment.returnable(order)), take_back,
            title="Return", button="Take back",
            question="What comes back? It is refunded and goes back to where it came from.", done="Taken back.",
        )  # fmt: skip

    def _ask(
        self,
        request: HttpRequest,
        object_id: str,
        form_of: Callable[[Any, Order], Any],
        deed: Callable[[Order, Any], None],
        *,
        title: str,
        question: str,
        button: str,
        done: str,
    ) -> HttpResponse:
        """The page that asks, until the form is right; then the deed, and back to the order."""
        order = self.get_object(request, object_id)
        if order is None:
            return HttpResponseRedirect(reverse("admin:orders_order_changelist"))
        page = reverse("admin:orders_order_change", args=[order.pk])
        form = form_of(request.POST if confirmed(request) else None, order)
        if not form.is_valid():
            return confirm(
                self, request, objects=[order], title=title, question=question, button=button, form=form, back=page
            )
        try:
            with acting(request), transaction.atomic():
                deed(order, form)
        except (IllegalTransition, StaleVersion, Conflict, Refused) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(page)

    def _note(self, request: HttpRequest, deed: str, order: Order, *, reason: str = "", **details: str) -> None:
        note(request.user.get_username(), deed, "order", [order.id], reason=reason, details=details)


POSSIBLE = {
    "cancel": {Status.PENDING, Status.CONFIRMED},
    "ship": {Status.CONFIRMED, Status.PARTIALLY_SHIPPED},
    "deliver": {Status.SHIPPED},
    "return": {Status.DELIVERED},
}
"""In which status an order offers which action, by the action's path."""
