"""The state of a payment, folded from its events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from events import Money
from payments.events import PaymentAuthorized, PaymentFailed, PaymentRefunded, PaymentSucceeded, PaymentVoided


class PaymentState(msgspec.Struct, frozen=True):
    """The part of a payment that the log holds. `amount` is None until the payment was authorized."""

    status: str = "pending"
    amount: Money | None = None
    authorization_id: str = ""
    reason: str = ""
    refunded: Decimal = Decimal(0)


def evolve(state: PaymentState | None, event: Any) -> PaymentState:
    """Applies `event` to the payment without checking its legality, because the event has already happened.

    An event of an unknown type leaves the state unchanged.
    """
    before = state or PaymentState()
    match event:
        case PaymentAuthorized():
            return replace(
                before, status="authorized", amount=event.amount, authorization_id=event.authorization_id
            )  # fmt: skip
        case PaymentSucceeded():
            return replace(before, status="succeeded")
        case PaymentFailed():
            return replace(before, status="failed", reason=short(event.reason))
        case PaymentVoided():
            return replace(before, status="voided")
        case PaymentRefunded():
            status = "refunded" if event.complete else "partially_refunded"
            return replace(before, status=status, refunded=before.refunded + event.amount.amount)
    return before


def short(reason: str) -> str:
    """The part of a reason that the payment's column can hold. The event holds the full text."""
    return reason[:100]
