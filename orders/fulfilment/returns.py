"""Operations on returns: request, approve, reject, receive. Each runs in one transaction, under the order's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from django.conf import settings
from django.db import transaction

from events import Refused
from orders.errors import StaleVersion
from orders.events import Goods, Received
from orders.fulfilment.service import locked, return_items
from orders.models import OWED, Order, OrderLine, Return, ReturnLine, Status
from orders.ports import warehouses


class UnknownWarehouse(Refused):
    """Goods can only arrive in a warehouse that exists."""

    pointer = "#/warehouse"


def request_return(
    order_id: UUID, items: Sequence[Goods], *, reason: str, expected_version: int | None = None
) -> Return:
    """The customer asks to return delivered goods. With RETURNS_AUTO_APPROVE, they are taken back immediately.

    Not idempotent. Raises Order.DoesNotExist, StaleVersion, IllegalTransition and ImpossibleQuantity.
    """
    if settings.RETURNS_AUTO_APPROVE:
        return return_items(order_id, items, reason=reason, expected_version=expected_version)
    with transaction.atomic():
        order = locked(order_id, expected_version)
        taken = Return(order=order, reason=reason)
        taken.refund = order.request_return(taken.id, items, reason).amount
        order.save(update_fields=["status"])
        taken.save(force_insert=True)
        ReturnLine.objects.bulk_create(
            ReturnLine(taken=taken, line=line, quantity=item.quantity) for line, item in order.with_lines(items)
        )
    return taken


def approve(return_id: UUID, *, expected_status: str | None = None) -> Return:
    """The customer may send the goods. Raises Return.DoesNotExist, StaleVersion and IllegalTransition."""
    return _change(return_id, Return.approve, expected_status)


def reject(return_id: UUID, reason: str, *, expected_status: str | None = None) -> Return:
    """Ends the return; the customer is told the reason. Raises as `approve`."""
    return _change(return_id, lambda taken: taken.reject(reason), expected_status)


def receive(
    return_id: UUID, pieces: Sequence[Received], *, warehouse: str, expected_status: str | None = None
) -> Return:
    """Takes back what arrived in `warehouse`; `ReturnOrder` then refunds it and restocks what can be sold again.

    Without pieces nothing arrived: nothing is refunded. Raises as `approve`, ImpossibleQuantity and UnknownWarehouse.
    """

    def take(taken: Return) -> None:
        known = warehouses()
        if warehouse not in known:
            raise UnknownWarehouse(
                "unknown-warehouse", f"There is no warehouse {warehouse!r}. Use one of {', '.join(known)}."
            )
        taken.receive(pieces, warehouse)
        OrderLine.objects.bulk_update(taken.order.lines.all(), ["returned_quantity"])
        ReturnLine.objects.bulk_update(taken.lines.all(), ["restocked", "written_off"])

    return _change(return_id, take, expected_status)


def _change(return_id: UUID, transition: Callable[[Return], None], expected_status: str | None) -> Return:
    with transaction.atomic():
        order = locked(Return.objects.values_list("order_id", flat=True).get(id=return_id))
        taken = next(one for one in order.returns.all() if one.id == return_id)
        if expected_status is not None and taken.status != expected_status:
            raise StaleVersion(f"This return is {taken.status}, not {expected_status}. Read it again, then retry.")
        transition(taken)
        order.save(update_fields=["status", *OWED])
        taken.save(update_fields=["status", "reject_reason", "warehouse", "refund", "updated_at"])
    return taken


def returnable(order: Order) -> dict[OrderLine, int]:
    """What the customer has and may return, by line. Empty unless the order was delivered."""
    if order.status != Status.DELIVERED:
        return {}
    most = order.returnable()
    return {line: most[line.sku] for line in order.lines.all() if most[line.sku]}
