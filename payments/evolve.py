"""A payment as its events tell it: a pure fold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from events import Money
from payments.events import PaymentAuthorized, PaymentFailed, PaymentRefunded, PaymentSucceeded, PaymentVoided


class PaymentState(msgspec.Struct, frozen=True):
    """All of a payment that is in the log; `amount` only once the money was held."""

    status: str = "pending"
    amount: Money | None = None
    authorization_id: str = ""
    reason: str = ""
    refunded: Decimal = Decimal(0)


def evolve(state: PaymentState | None, event: Any) -> PaymentState:
    """What `event` makes of the payment. It does not ask whether the event was legal: it has happened.

    An event that it does not know changes nothing of what is compared with the row.
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
    """As much of a reason as the payment keeps; its event has all of it."""
    return reason[:100]
