"""The whole story of one order, gathered for its page in the admin. Each part only for who may see it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from events.models import StoredEvent
from events.timeline import sendings, timeline
from orders.models import Order, Return, Shipment, Status
from orders.selectors import story_of
from sagas.models import SagaRun
from sagas.picture import pictures

COLOURS = {
    Status.PENDING: "warning",
    Status.CONFIRMED: "success",
    Status.PARTIALLY_SHIPPED: "info",
    Status.SHIPPED: "info",
    Status.DELIVERED: "primary",
    Status.CANCELLED: "danger",
    Status.RETURNED: "",
}
PAYMENT_COLOURS = {"succeeded": "success", "authorized": "info", "failed": "danger"}
ENVELOPE = ("name", "company", "line1", "line2", "postalCode", "city", "state", "region", "country")


def page_of(order: Order, request: HttpRequest) -> dict[str, Any]:
    """A constant number of statements, however many lines, events and deliveries the order has."""
    may = _permissions(request)
    needs_story = may["event"] or may["payment"] or may["notification"] or may["delivery"]
    story = story_of(order.id) if needs_story else []
    lines = list(order.lines.order_by("position"))
    return {
        "order": order,
        "colour": COLOURS[Status(order.status)],
        "address": _address(order),
        "lines": lines,
        "shipments": _shipments(order) if any(line.shipped_quantity for line in lines) else [],
        "returns": _returns(order) if any(line.returned_quantity for line in lines) else [],
        "payment": _payment(story) if may["payment"] else None,
        "may_view_payment": may["payment"],
        "may_view_event": may["event"],
        "moments": timeline(story) if may["event"] else [],
        "may_view_saga": may["saga"],
        "may_repair_saga": may["repair"],
        "pictures": _pictures(order.id) if may["saga"] else [],
        "may_view_delivery": may["delivery"],
        "sendings": sendings(story) if may["delivery"] else [],
        "may_view_notification": may["notification"],
        "letters": [event for event in story if event.type.startswith("notification.")],
        "customer_page": f"admin:{get_user_model()._meta.app_label}_{get_user_model()._meta.model_name}_change",
    }


def _address(order: Order) -> str:
    """In the order of an envelope: the database keeps none."""
    parts = {name: str(part) for name, part in order.shipping_address.items() if part}
    known = [parts.pop(name) for name in ENVELOPE if name in parts]
    return ", ".join([*known, *parts.values()])


def _permissions(request: HttpRequest) -> dict[str, bool]:
    codes = {
        "event": "events.view_storedevent",
        "delivery": "events.view_delivery",
        "saga": "sagas.view_sagarun",
        "repair": "sagas.repair_saga",
        "payment": "payments.view_payment",
        "notification": "notifications.view_notification",
    }
    return {name: request.user.has_perm(code) for name, code in codes.items()}


def _shipments(order: Order) -> list[Shipment]:
    return list(order.shipments.prefetch_related("lines__line").order_by("id"))


def _returns(order: Order) -> list[Return]:
    return list(order.returns.prefetch_related("lines__line").order_by("id"))


def _payment(story: Sequence[StoredEvent]) -> dict[str, Any] | None:
    """As the log has it: the last event, the amount that was asked for, what of it was refunded, the reason of a no."""
    events = [event for event in story if event.type.startswith("payment.")]
    if not events:
        return None
    failure = next((event for event in reversed(events) if event.type == "payment.failed"), None)
    state = events[-1].type.partition(".")[2]
    refunds = [event.data for event in events if event.type == "payment.refunded"]
    if state == "refunded" and not refunds[-1].get("complete", True):
        state = "partially refunded"
    amounts = [event.data["amount"] for event in events if "amount" in event.data]
    return {
        "state": state,
        "colour": PAYMENT_COLOURS.get(state, ""),
        "time": events[-1].time,
        "amount": amounts[0] if amounts else None,
        "refunded": sum(Decimal(refund["amount"]["amount"]) for refund in refunds),
        "failure": failure.data if failure else None,
    }


def _pictures(order_id: UUID) -> list[Any]:
    runs = SagaRun.objects.filter(subject=order_id).order_by("id").prefetch_related("steps")
    return list(pictures(list(runs)))
