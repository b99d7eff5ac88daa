"""The sample orders: what is in the mix, and how the figures come about."""

from typing import Any

import pytest

from orderproject.demo import client
from orderproject.demo.demo import SOLD_OUT, SPECIAL, USUAL, Placed, Sample, outcomes, samples, times

STOCK = ["MUG", "TEAPOT"]


@pytest.mark.parametrize("count", [6, 7, 25, 100])
def test_every_way_to_fail_is_in_the_mix(count: int):
    mixed = samples(count, STOCK)
    assert len(mixed) == count
    assert {sample.token for sample in mixed} == {USUAL, *SPECIAL}
    assert [sample.sku for sample in mixed].count(SOLD_OUT) == 1


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_small_mix_is_as_small_as_asked_for(count: int):
    assert len(samples(count, STOCK)) == count


def placed(seconds: float, status: str = "confirmed", reason: str | None = None) -> Placed:
    times = {"createdAt": "2026-01-15T10:30:00Z", "updatedAt": f"2026-01-15T10:30:{seconds:09.6f}Z"}
    return Placed(Sample("MUG", 1, USUAL), {"status": status, "cancelReason": reason, **times})


def test_figures_leave_out_what_is_open():
    orders = [placed(number / 10) for number in range(1, 100)]
    orders += [placed(40.0, "cancelled", "out_of_stock"), placed(0.0, "pending")]
    assert outcomes(orders) == {"confirmed": 99, "out_of_stock": 1}
    assert times(orders) == pytest.approx((5.05, 9.9))
    assert times([]) is None


def test_the_client_says_that_money_is_not_back(capsys: pytest.CaptureFixture[str]) -> None:
    order: dict[str, Any] = {
        "number": "261129-AAAAA-BBBBB", "status": "cancelled", "id": "01a2", "items": [], "cancelReason": "by mistake",
        "total": {"amount": "19.80", "currency": "EUR"},
        "payment": {
            "status": "succeeded", "reason": None,
            "refund": {"status": "failed", "amount": {"amount": "19.80", "currency": "EUR"}},
        },
    }  # fmt: skip
    client._print(order)
    assert "  refund failed 19.80 EUR" in capsys.readouterr().out.splitlines()
    del order["payment"]["refund"]
    client._print(order)
    assert "refund" not in capsys.readouterr().out
