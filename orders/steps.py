"""What sagas do to orders."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events import Money, Queue
from events.aggregate import save_all
from orders import sql
from orders.models import Order, Return, ReturnLine, Status
from sagas import Call, action

CONFIRMED = ("status", "cancel_reason", "cancel_detail")


def _locked(calls: Sequence[Call]) -> list[Order]:
    return Order.locked([call.subject for call in calls], "total", "currency", "cancel_request", *CONFIRMED)


@action(queue=Queue.ORDERS)
def confirm_order(calls: Sequence[Call]) -> None:
    """The customer may rely on it; who asked to cancel in the last instant is served at once after that."""
    orders = [order for order in _locked(calls) if order.status == Status.PENDING]
    for order in orders:
        order.confirm()
        if order.cancel_request:
            order.cancel(order.cancel_request, order.cancel_detail)
    save_all(orders, CONFIRMED)


@action(queue=Queue.ORDERS)
def cancel_order(calls: Sequence[Call]) -> None:
    """The end of every compensation: the order says why it did not come about."""
    reasons = {call.subject: (call.reason_code or "cancelled", call.reason) for call in calls}
    orders = [order for order in _locked(calls) if order.status == Status.PENDING]
    for order in orders:
        order.cancel(*reasons[order.id])
    save_all(orders, CONFIRMED)


def ordered_items(order_ids: Sequence[UUID]) -> Mapping[UUID, list[tuple[str, int]]]:
    """What each order wants from stock: (SKU, quantity)."""
    items: dict[UUID, list[tuple[str, int]]] = {order_id: [] for order_id in order_ids}
    for order_id, sku, _, quantity, _ in sql.lines(order_ids):
        items[order_id].append((sku, quantity))
    return items


def amounts_due(order_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, Money]]:
    """What each order is to be paid with: (token, money)."""
    return {order_id: (token, Money(total, currency)) for order_id, token, total, currency in sql.due(order_ids)}


def returned_items(return_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, list[tuple[str, int]]]]:
    """What of which order comes back with each return: (SKU, quantity)."""
    rows = ReturnLine.objects.filter(taken_id__in=return_ids).order_by("id")
    items: dict[UUID, tuple[UUID, list[tuple[str, int]]]] = {}
    for return_id, order_id, sku, quantity in rows.values_list("taken_id", "taken__order_id", "line__sku", "quantity"):
        items.setdefault(return_id, (order_id, []))[1].append((sku, quantity))
    return items


def refunds_due(return_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, Money]]:
    """What each return costs, and of which order."""
    rows = Return.objects.filter(id__in=return_ids).values_list("id", "order_id", "refund", "order__currency")
    return {return_id: (order_id, Money(refund, currency)) for return_id, order_id, refund, currency in rows}
