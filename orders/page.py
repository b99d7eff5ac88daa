"""The data of an order's admin page. Each part is loaded only if the user has permission to view it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest

from desk import flower
from events import Money
from events.models import StoredEvent
from events.timeline.moments import sendings, timeline
from events.tracing.spans import trace_id_of, was_sampled
from orders.models import Cancellation, Order, RefundStatus, Return, ReturnStatus, Shipment, Status
from orders.paid import paid, refund_state
from orders.ports import card_asked
from orders.selectors import events_of_order
from sagas.models import SagaRun
from sagas.operations.picture import pictures
from web.typed import convert

COLOURS = {
    Status.PENDING: "warning",
    Status.CONFIRMED: "success",
    Status.PARTIALLY_SHIPPED: "info",
    Status.SHIPPED: "info",
    Status.DELIVERED: "primary",
    Status.CANCELLED: "danger",
    Status.RETURNED: "",
}
RETURN_COLOURS = {
    ReturnStatus.REQUESTED: "warning",
    ReturnStatus.APPROVED: "info",
    ReturnStatus.REJECTED: "danger",
    ReturnStatus.RECEIVED: "primary",
    ReturnStatus.REFUNDED: "success",
}
PAYMENT_COLOURS = {"succeeded": "success", "authorized": "info", "failed": "danger"}
REFUND_COLOURS = {RefundStatus.PENDING: "warning", RefundStatus.FAILED: "danger", RefundStatus.SUCCEEDED: "success"}
ENVELOPE = ("name", "company", "line1", "line2", "postalCode", "city", "state", "region", "country")


def page_of(order: Order, request: HttpRequest) -> dict[str, Any]:
    """Loads the page with a constant number of statements, however many lines, events and deliveries there are."""
    may = _permissions(request)
    needs_events = may["event"] or may["payment"] or may["notification"] or may["delivery"]
    events = events_of_order(order.id) if needs_events else []
    payment = _payment(order, events) if may["payment"] else None
    lines = list(order.lines.order_by("position"))
    return {
        "order": order,
        "colour": COLOURS[Status(order.status)],
        "address": _address(order),
        "lines": lines,
        "shipments": _shipments(order) if any(line.shipped_quantity for line in lines) else [],
        "returns": _returns(order) if any(line.shipped_quantity for line in lines) else [],
        "may_view_return": request.user.has_perm("orders.view_return"),
        "cancellations": _cancellations(order) if any(line.cancelled_quantity for line in lines) else [],
        "refund_badge": badge_of_refund(order),
        "refund_requests": list(order.refund_requests.order_by("id")) if order.refund_due else [],
        "payment": payment,
        "card_asked": bool(payment) or (may["payment"] and card_asked(order.id)),
        "may_view_payment": may["payment"],
        "may_view_event": may["event"],
        "trace_page": _trace_page(events) if may["event"] else "",
        "moments": timeline(events) if may["event"] else [],
        "may_view_saga": may["saga"],
        "may_repair_saga": may["repair"],
        "pictures": _pictures(order.id) if may["saga"] else [],
        "may_view_delivery": may["delivery"],
        "sendings": sendings(events) if may["delivery"] else [],
        "may_view_notification": may["notification"],
        "emails": [event for event in events if event.type.startswith("notification.")],
        "flower": flower.tasks_in_flower(order.number) if may["flower"] else "",
        "customer_page": f"admin:{get_user_model()._meta.app_label}_{get_user_model()._meta.model_name}_change",
    }


def badge_of_refund(order: Order) -> tuple[str, str] | None:
    """Text and colour, while money that is due is not back."""
    if order.refund_status not in {RefundStatus.PENDING, RefundStatus.FAILED}:
        return None
    return f"refund {order.refund_status}", REFUND_COLOURS[RefundStatus(order.refund_status)]


def _trace_page(events: Sequence[StoredEvent]) -> str:
    """Where the trace of the request that placed the order can be read; empty if it was not recorded."""
    traced = events[0].traceparent if events else ""
    if not (settings.TRACE_URL and was_sampled(traced)):
        return ""
    return str(settings.TRACE_URL).replace("{trace_id}", trace_id_of(traced))


def _address(order: Order) -> str:
    """The address in postal order. The database does not keep the order of JSON keys."""
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
        "flower": flower.PERMISSION,
    }
    return {name: request.user.has_perm(code) for name, code in codes.items()}


def _shipments(order: Order) -> list[Shipment]:
    return list(order.shipments.prefetch_related("lines__line").order_by("id"))


def _returns(order: Order) -> list[tuple[Return, str]]:
    """Each with the colour of its status."""
    found = list(order.returns.prefetch_related("lines__line").order_by("id"))
    return [(taken, RETURN_COLOURS[ReturnStatus(taken.status)]) for taken in found]


def _cancellations(order: Order) -> list[Cancellation]:
    return list(order.cancellations.prefetch_related("lines__line").order_by("id"))


def _payment(order: Order, recorded: Sequence[StoredEvent]) -> dict[str, Any] | None:
    """The payment as the log describes it: state, requested amount, refunds, reason of a failure."""
    events = [event for event in recorded if event.type.startswith("payment.")]
    if not events:
        return None
    failure = next((event for event in reversed(events) if event.type == "payment.failed"), None)
    payment = paid((event.stream_version, event.type, event.data) for event in events)
    refund = refund_state(order.refund_due, payment)
    failed_refund = next((event for event in reversed(events) if event.type == "payment.refund_failed"), None)
    amounts = [convert(event.data["amount"], Money) for event in events if "amount" in event.data]
    return {
        "state": payment.status.replace("_", " "),
        "colour": PAYMENT_COLOURS.get(payment.status, ""),
        "time": events[-1].time,
        "amount": amounts[0] if amounts else None,
        "refunded": Money(payment.refunded, order.currency) if payment.refunded else None,
        "refund": refund,
        "refund_missing": Money(refund.amount, order.currency) if refund else None,
        "refund_colour": REFUND_COLOURS[refund.status] if refund else "",
        "refund_failure": failed_refund.data if failed_refund and payment.failed else None,
        "failure": failure.data if failure else None,
    }


def _pictures(order_id: UUID) -> list[Any]:
    runs = SagaRun.objects.filter(subject=order_id).order_by("id").prefetch_related("steps")
    return list(pictures(list(runs)))
