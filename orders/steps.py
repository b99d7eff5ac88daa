"""The saga steps of the orders service and the functions that load their input."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models.functions import Now

from events import Money
from events.log.aggregate import save_all
from events.models import StoredEvent
from orders import sql
from orders.events import ORDERS
from orders.models import (
    OWED,
    Cancellation,
    CancellationLine,
    Order,
    RefundRequest,
    Return,
    ReturnLine,
    ReturnStatus,
    Status,
)
from sagas import Call
from sagas.decorators import action
from web.typed import convert

ReturnedGoods = tuple[UUID, str, list[tuple[str, int]], list[tuple[str, int]]]
"""(order, warehouse or "", what to restock, what to write off); the goods are (SKU, quantity) pairs."""
CONFIRMED = ("status", "cancel_reason", "cancel_detail", "cancel_code", *OWED)
REQUESTED = "cancellation_requested"
"""The code of a saga that turns back because a person asked for it. The reason is what that person wrote."""


def _locked(calls: Sequence[Call]) -> list[Order]:
    return Order.locked([call.subject for call in calls], "total", "currency", "cancel_request", *CONFIRMED)


@action(queue=ORDERS)
def confirm_order(calls: Sequence[Call]) -> None:
    """Confirms pending orders; then cancels those for which a cancellation was requested meanwhile. Idempotent."""
    orders = [order for order in _locked(calls) if order.status == Status.PENDING]
    for order in orders:
        order.confirm()
        if order.cancel_request:
            order.cancel(order.cancel_request)
    save_all(orders, CONFIRMED)


@action(queue=ORDERS)
def cancel_order(calls: Sequence[Call]) -> None:
    """Cancels pending orders with the saga's reason; the last compensation of `PlaceOrder`. Idempotent."""
    by_order = {call.subject: call for call in calls}
    orders = [order for order in _locked(calls) if order.status == Status.PENDING]
    for order in orders:
        call = by_order[order.id]
        if call.reason_code == REQUESTED:
            order.cancel(call.reason)
        else:
            code = call.reason_code or "cancelled"
            order.cancel(code, call.reason, code=code)
    save_all(orders, CONFIRMED)


def ordered_items(order_ids: Sequence[UUID]) -> Mapping[UUID, list[tuple[str, int]]]:
    """The items to hold in stock for each order: (SKU, quantity) pairs."""
    items: dict[UUID, list[tuple[str, int]]] = {order_id: [] for order_id in order_ids}
    for order_id, sku, _, quantity, _ in sql.lines(order_ids):
        items[order_id].append((sku, quantity))
    return items


def amounts_due(order_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, Money]]:
    """The payment of each order: (token, amount)."""
    return {order_id: (token, Money(total, currency)) for order_id, token, total, currency in sql.due(order_ids)}


@action(queue=ORDERS)
def close_return(calls: Sequence[Call]) -> None:
    """Marks returns as refunded, once the money and the goods have moved. Idempotent."""
    ids = [call.subject for call in calls]
    owners = dict(Return.objects.filter(id__in=ids).values_list("id", "order_id"))
    orders = {order.id: order for order in Order.locked(list(set(owners.values())), "status", "currency")}
    closed = list(Return.objects.filter(id__in=ids, status=ReturnStatus.RECEIVED).order_by("id"))
    for taken in closed:
        taken.order = orders[taken.order_id]
        taken.close()
    save_all([order for order in orders.values() if order.recorded], ("status",))
    Return.objects.filter(id__in=[taken.id for taken in closed]).update(status=ReturnStatus.REFUNDED, updated_at=Now())


def returned_items(return_ids: Sequence[UUID]) -> Mapping[UUID, ReturnedGoods]:
    """What arrived of each return: (order, warehouse, what to restock, what to write off)."""
    rows = ReturnLine.objects.filter(taken_id__in=return_ids).order_by("id").select_related("taken", "line")
    goods: dict[UUID, ReturnedGoods] = {}
    for row in rows:
        one = goods.setdefault(row.taken_id, (row.taken.order_id, row.taken.warehouse, [], []))
        one[2].append((row.line.sku, row.restocked))
        one[3].append((row.line.sku, row.written_off))
    return goods


def refunds_due(return_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, Money]]:
    """The order of each return and the amount to refund."""
    rows = Return.objects.filter(id__in=return_ids).values_list("id", "order_id", "refund", "order__currency")
    return {return_id: (order_id, Money(refund, currency)) for return_id, order_id, refund, currency in rows}


def requested_refunds(refund_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, Money]]:
    """The order of each refund request and the amount to refund."""
    rows = RefundRequest.objects.filter(id__in=refund_ids).values_list("id", "order_id", "amount", "order__currency")
    return {refund_id: (order_id, Money(amount, currency)) for refund_id, order_id, amount, currency in rows}


def cancellation_refunds(order_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, Money]]:
    """What the cancellation of each order made due, as its event says; events of version 1.0 are left out."""
    streams = [f"order:{order_id}" for order_id in order_ids]
    cancelled = StoredEvent.objects.filter(stream__in=streams, type="order.cancelled", data__refund__isnull=False)
    refunds = {
        UUID(stream.partition(":")[2]): refund for stream, refund in cancelled.values_list("stream", "data__refund")
    }
    return {order_id: (order_id, convert(refund, Money)) for order_id, refund in refunds.items() if refund}


def cancelled_items(cancellation_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, list[tuple[str, int]]]]:
    """The order of each cancellation of items, and its items: (SKU, quantity) pairs."""
    rows = CancellationLine.objects.filter(cancellation_id__in=cancellation_ids).order_by("id")
    items: dict[UUID, tuple[UUID, list[tuple[str, int]]]] = {}
    for id_, order_id, sku, quantity in rows.values_list(
        "cancellation_id", "cancellation__order_id", "line__sku", "quantity"
    ):
        items.setdefault(id_, (order_id, []))[1].append((sku, quantity))
    return items


def refunds_of_cancelled(cancellation_ids: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, Money]]:
    """The order of each cancellation of items, and the amount to refund."""
    rows = Cancellation.objects.filter(id__in=cancellation_ids)
    due = rows.values_list("id", "order_id", "refund", "order__currency")
    return {id_: (order_id, Money(refund, currency)) for id_, order_id, refund, currency in due}
