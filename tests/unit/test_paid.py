"""What the log says of a payment and of its refunds."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from orders.paid import Paid, paid, refund_state

ORDER, PART = str(uuid4()), str(uuid4())


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def told(*events: tuple[str, dict[str, Any]]) -> Paid:
    return paid((version, f"payment.{name}", data) for version, (name, data) in enumerate(events, 1))


AUTHORIZED = ("authorized", {"amount": money("20.00")})
SUCCEEDED = ("succeeded", {"amount": money("20.00")})


def refunded(amount: str, part: str | None = ORDER, *, complete: bool = True) -> tuple[str, dict[str, Any]]:
    return "refunded", {"amount": money(amount), "part": part, "complete": complete}


def refund_failed(amount: str, part: str = ORDER) -> tuple[str, dict[str, Any]]:
    return "refund_failed", {"amount": money(amount), "part": part, "reason": "no_answer"}


@pytest.mark.parametrize(
    ("due", "events", "status", "refund"),
    [
        ("0", (AUTHORIZED, SUCCEEDED), "succeeded", None),
        ("20", (AUTHORIZED, SUCCEEDED), "succeeded", ("pending", "20")),
        ("20", (AUTHORIZED, SUCCEEDED, refunded("20.00")), "refunded", ("succeeded", "20")),
        ("20", (SUCCEEDED, refunded("20.00", None)), "refunded", ("succeeded", "20")),
        ("20", (SUCCEEDED, refund_failed("20.00")), "succeeded", ("failed", "20")),
        ("20", (SUCCEEDED, refund_failed("20.00"), refunded("20.00")), "refunded", ("succeeded", "20")),
        ("15", (SUCCEEDED, refunded("5.00", PART, complete=False)), "partially_refunded", ("pending", "10")),
        # Another part that succeeds does not hide the one that failed.
        (
            "15", (SUCCEEDED, refund_failed("10.00"), refunded("5.00", PART, complete=False)), "partially_refunded",
            ("failed", "10"),
        ),
        # The undoing of an order that was never confirmed.
        ("0", (AUTHORIZED, refund_failed("20.00")), "authorized", ("failed", "20")),
        ("0", (AUTHORIZED, refund_failed("20.00"), ("voided", {})), "voided", None),
        ("0", (AUTHORIZED, refunded("20.00")), "refunded", ("succeeded", "20")),
    ],
)  # fmt: skip
def test_a_refund_is_over_when_all_that_is_due_is_back(
    due: str, events: Any, status: str, refund: tuple[str, str] | None
) -> None:
    payment = told(*events)
    assert (payment.status, payment.version) == (status, len(events))
    state = refund_state(Decimal(due), payment)
    assert (state and (state.status.value, state.amount)) == (refund and (refund[0], Decimal(refund[1])))


def test_an_order_that_has_no_payment_yet_waits_for_what_is_due() -> None:
    assert refund_state(Decimal(0), None) is None
    assert refund_state(Decimal(5), None) is not None
