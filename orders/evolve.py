"""The state of an order, folded from its events. Personal data is not in the log (see docs/decisions/0009)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from events import Money
from orders.events import (
    Goods,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderDelivered,
    OrderItemsCancelled,
    OrderRefundRequested,
    OrderReturnApproved,
    OrderReturned,
    OrderReturnReceived,
    OrderReturnRejected,
    OrderReturnRequested,
    OrderShipped,
    Received,
)

Quantities = Mapping[str, int]
"""By SKU."""


class LineState(msgspec.Struct, frozen=True):
    """One product of an order; `returned` ≤ `shipped`, and `shipped` + `cancelled` ≤ `quantity`."""

    sku: str
    quantity: int
    unit_price: Money
    shipped: int = 0
    returned: int = 0
    cancelled: int = 0


class ReturnState(msgspec.Struct, frozen=True):
    """One return. Its status ends with `received`: older logs do not say when the money was given back."""

    status: str
    requested: Quantities
    restocked: Quantities = {}
    written_off: Quantities = {}
    warehouse: str = ""


class OrderState(msgspec.Struct, frozen=True):
    """The part of an order that the log holds. `refund_due`: what has been or is to be refunded, in its currency."""

    customer_id: UUID
    total: Money
    lines: tuple[LineState, ...]
    status: str = "pending"
    cancel_reason: str = ""
    cancel_detail: str = ""
    cancel_code: str = ""
    refund_due: Decimal = Decimal(0)
    returns: Mapping[UUID, ReturnState] = {}


def evolve(state: OrderState | None, event: Any) -> OrderState:  # noqa: PLR0911  one return for each event type
    """Applies `event` to the order without checking its legality, because the event has already happened.

    An event of an unknown type leaves the state unchanged.
    """
    match state, event:
        case None, OrderCreated():
            lines = tuple(LineState(item.sku, item.quantity, item.unit_price) for item in event.items)
            return OrderState(event.customer_id, event.total, lines)
        case OrderState(), OrderConfirmed():
            return replace(state, status="confirmed")
        case OrderState(), OrderCancelled():
            return replace(
                state, status="cancelled", cancel_reason=short(event.reason), cancel_detail=event.detail,
                cancel_code=short(event.code), refund_due=state.refund_due + _refund_of(state, event),
            )  # fmt: skip
        case OrderState(), OrderShipped():
            status = "shipped" if event.complete else "partially_shipped"
            return replace(state, status=status, lines=_moved(state.lines, "shipped", event.items))
        case OrderState(), OrderItemsCancelled():
            status = "shipped" if event.complete else state.status
            lines = _moved(state.lines, "cancelled", event.items)
            return replace(state, status=status, lines=lines, refund_due=state.refund_due + event.refund.amount)
        case OrderState(), OrderDelivered():
            return replace(state, status="delivered")
        case OrderState(), OrderReturned():
            status = "returned" if event.complete else state.status
            return replace(
                state, status=status, lines=_moved(state.lines, "returned", event.items),
                refund_due=state.refund_due + event.refund.amount, returns=_taken(state.returns, event),
            )  # fmt: skip
        case OrderState(), OrderReturnRequested():
            return _with_return(state, event.return_id, ReturnState("requested", quantities(event.items)))
        case OrderState(), OrderReturnApproved() | OrderReturnRejected() | OrderReturnReceived():
            return _with_return(state, event.return_id, _next(state.returns[event.return_id], event))
        case OrderState(), OrderRefundRequested():
            return replace(state, refund_due=state.refund_due + event.amount.amount)
        case OrderState(), _:
            return state
    raise TypeError(f"{type(event).__name__} cannot follow {state!r}")


def short(reason: str) -> str:
    """The part of a reason that the order's column can hold. The event holds the full text."""
    return reason[:100]


def _refund_of(state: OrderState, event: OrderCancelled) -> Decimal:
    """What the cancellation makes due. Events of version 1.0 do not say it: then it was all that had been paid."""
    if not event.was_confirmed:
        return Decimal(0)
    return event.refund.amount if event.refund else state.total.amount - state.refund_due


def _moved(lines: Sequence[LineState], what: str, items: Sequence[Goods]) -> tuple[LineState, ...]:
    """Adds the quantities of `items` to the field `what` ("shipped", "returned" or "cancelled") of their lines."""
    more: Mapping[str, int] = {item.sku: item.quantity for item in items}
    return tuple(
        replace(line, **{what: getattr(line, what) + more[line.sku]}) if line.sku in more else line for line in lines
    )


def quantities(items: Iterable[Goods | Received]) -> dict[str, int]:
    return {item.sku: item.quantity for item in items if item.quantity}


def _with_return(state: OrderState, return_id: UUID, one: ReturnState) -> OrderState:
    return replace(state, returns={**state.returns, return_id: one})


def _next(one: ReturnState, event: OrderReturnApproved | OrderReturnRejected | OrderReturnReceived) -> ReturnState:
    match event:
        case OrderReturnApproved():
            return replace(one, status="approved")
        case OrderReturnRejected():
            return replace(one, status="rejected")
        case OrderReturnReceived():
            return replace(
                one, status="received", warehouse=event.warehouse,
                restocked=quantities(item for item in event.items if item.condition == "restock"),
                written_off=quantities(item for item in event.items if item.condition == "write_off"),
            )  # fmt: skip


def _taken(returns: Mapping[UUID, ReturnState], event: OrderReturned) -> Mapping[UUID, ReturnState]:
    """A return that needs no approval begins with its receipt."""
    if event.return_id in returns:
        return returns
    goods = quantities(event.items)
    return {**returns, event.return_id: ReturnState("received", goods, goods)}
