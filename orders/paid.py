"""What the log says of an order's payment and of its refunds (decision 10). Pure functions over events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from orders.models import RefundStatus


class Paid(msgspec.Struct, frozen=True):
    """An order's payment. `reason` is why it failed, if it did; `version` is that of its stream.

    `failed` holds the amounts that could not be given back, by what they are for: a later refund removes its own.
    """

    status: str = "pending"
    reason: str | None = None
    version: int = 0
    refunded: Decimal = Decimal(0)
    failed: Mapping[str | None, Decimal] = {}


class RefundState(msgspec.Struct, frozen=True):
    """Whether the customer has all money back that is due.

    `amount` is what is still missing; of a refund that has succeeded, all that was given back.
    """

    status: RefundStatus
    amount: Decimal


NOTHING_PAID = Paid()
Told = tuple[int, str, Any]
"""An event: its stream version, its type and its data."""


def paid(events: Iterable[Told]) -> Paid:
    """Folds the events of one payment, oldest first."""
    payment = NOTHING_PAID
    for version, type_, data in events:
        payment = replace(_after(payment, type_, data), version=version)
    return payment


def _after(before: Paid, type_: str, data: Any) -> Paid:
    match type_:
        case "payment.authorized" | "payment.succeeded":
            return replace(before, status=type_.rpartition(".")[2])
        case "payment.failed":
            return replace(before, status="failed", reason=data["reason"])
        case "payment.voided":
            return replace(before, status="voided", failed={})
        case "payment.refunded":
            status = "refunded" if data.get("complete", True) else "partially_refunded"
            refunded = before.refunded + Decimal(data["amount"]["amount"])
            failed = {part: amount for part, amount in before.failed.items() if part != data.get("part")}
            return replace(before, status=status, refunded=refunded, failed=failed)
        case "payment.refund_failed":
            return replace(before, failed={**before.failed, data["part"]: Decimal(data["amount"]["amount"])})
    return before


def refund_state(due: Decimal, payment: Paid | None) -> RefundState | None:
    """None if nothing was or is to be refunded. `due`: what the order has made due for refund.

    An order that was never confirmed makes nothing due; its payment is undone, and that may fail, too.
    """
    payment = payment or NOTHING_PAID
    missing = max(due - payment.refunded, Decimal(0))
    if payment.failed:
        return RefundState(RefundStatus.FAILED, max(missing, sum(payment.failed.values(), Decimal(0))))
    if missing:
        return RefundState(RefundStatus.PENDING, missing)
    return RefundState(RefundStatus.SUCCEEDED, payment.refunded) if payment.refunded else None
