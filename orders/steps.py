"""What sagas do to orders."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events import Money, Queue
from events.aggregate import save_all
from orders.models import Order, OrderLine, Status
from sagas import Call, action

CONFIRMED = ("status", "cancel_reason", "cancel_detail")


def _locked(calls: Sequence[Call]) -> list[Order]:
    ids = [call.subject for call in calls]
    return list(Order.objects.filter(id__in=ids).order_by("id").select_for_update(no_key=True))


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
    rows = OrderLine.objects.filter(order_id__in=order_ids).order_by("order_id", "position")
    for order_id, sku, quantity in rows.values_list("order_id", "sku", "quantity"):
        items[order_id].append((sku, quantity))
    return items


def amounts_due(order_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, Money]]:
    """What each order is to be paid with: (token, money)."""
    rows = Order.objects.filter(id__in=order_ids).values_list("id", "payment_token", "total", "currency")
    return {order_id: (token, Money(total, currency)) for order_id, token, total, currency in rows}
