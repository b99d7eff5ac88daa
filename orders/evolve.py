"""An order as its events tell it: a pure fold, without what the log must not know (see docs/decisions/0009)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    OrderReturned,
    OrderShipped,
)


class LineState(msgspec.Struct, frozen=True):
    """One product of an order; `returned` ≤ `shipped` ≤ `quantity`."""

    sku: str
    quantity: int
    unit_price: Money
    shipped: int = 0
    returned: int = 0


class OrderState(msgspec.Struct, frozen=True):
    """All of an order that is in the log."""

    customer_id: UUID
    total: Money
    lines: tuple[LineState, ...]
    status: str = "pending"
    cancel_reason: str = ""
    cancel_detail: str = ""


def evolve(state: OrderState | None, event: Any) -> OrderState:  # noqa: PLR0911  one for each event
    """What `event` makes of the order. It does not ask whether the event was legal: it has happened.

    An event that it does not know changes nothing of what is compared with the row.
    """
    match state, event:
        case None, OrderCreated():
            lines = tuple(LineState(item.sku, item.quantity, item.unit_price) for item in event.items)
            return OrderState(event.customer_id, event.total, lines)
        case OrderState(), OrderConfirmed():
            return replace(state, status="confirmed")
        case OrderState(), OrderCancelled():
            return replace(
                state, status="cancelled", cancel_reason=short(event.reason), cancel_detail=event.detail
            )  # fmt: skip
        case OrderState(), OrderShipped():
            status = "shipped" if event.complete else "partially_shipped"
            return replace(state, status=status, lines=_moved(state.lines, "shipped", event.items))
        case OrderState(), OrderDelivered():
            return replace(state, status="delivered")
        case OrderState(), OrderReturned():
            status = "returned" if event.complete else state.status
            return replace(state, status=status, lines=_moved(state.lines, "returned", event.items))
        case OrderState(), _:
            return state
    raise TypeError(f"{type(event).__name__} cannot follow {state!r}")


def short(reason: str) -> str:
    """As much of a reason as the order keeps; its event has all of it."""
    return reason[:100]


def _moved(lines: Sequence[LineState], what: str, items: Sequence[Goods]) -> tuple[LineState, ...]:
    """`items` come on top of what of each line has been shipped, or returned, before."""
    more: Mapping[str, int] = {item.sku: item.quantity for item in items}
    return tuple(
        replace(line, **{what: getattr(line, what) + more[line.sku]}) if line.sku in more else line for line in lines
    )
