"""An order's way beyond confirmation: parcels, the customer's door, and back again."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from io import StringIO
from uuid import uuid4

from django.core.management import call_command

from payments.models import Payment
from sagas.models import SagaStep
from tests.acceptance.shop import PlacedOrder, Shop


@contextmanager
def outage(shop: Shop) -> Iterator[None]:
    """The card processor is away."""
    url = f"{shop.deployment.sandbox_url}/control/outage"

    def switch(on: bool) -> None:
        body = json.dumps({"on": on}).encode()
        urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})).close()

    switch(on=True)
    try:
        yield
    finally:
        switch(on=False)


def delivered(shop: Shop, quantity: int = 3) -> tuple[PlacedOrder, str]:
    """An order over two warehouses."""
    mug = f"MUG-{uuid4().hex[:6]}".upper()
    shop.stock(mug, 2, 8)
    order = shop.places(mug, quantity=quantity)
    assert order.settles() == "confirmed"
    order.ships((mug, quantity))
    order.arrives()
    return order, mug


def mails_about(shop: Shop, order: PlacedOrder) -> list[str]:
    subjects = [line for mail in shop.mails() for line in mail.splitlines() if line.startswith("Subject:")]
    return sorted(
        subject.rpartition(order.row.number)[2].strip() for subject in subjects if order.row.number in subject
    )


def test_each_parcel_is_told_of(shop: Shop):
    shop.stock("PARCEL", 5)
    order = shop.places("PARCEL", quantity=3)
    order.settles()
    order.ships(("PARCEL", 1))
    order.ships(("PARCEL", 2))
    assert order.settles() == "shipped"
    assert mails_about(shop, order) == ["is confirmed", "was partly shipped", "was shipped"]
    assert shop.on_hand("PARCEL") == 2


def test_a_part_comes_back_and_then_the_rest(shop: Shop):
    order, mug = delivered(shop)
    order.comes_back((mug, 2))
    assert order.settles() == "delivered"
    assert shop.available(mug) == 9
    payment = Payment.objects.get(order_id=order.id)
    assert (payment.status, payment.refunded) == ("partially_refunded", Decimal("20.00"))
    order.comes_back((mug, 1))
    assert order.settles() == "returned"
    assert (shop.available(mug), order.payment) == (10, "refunded")
    assert mails_about(shop, order)[1:] == [
        "was partly refunded", "was partly returned", "was refunded", "was returned", "was shipped",
    ]  # fmt: skip


def test_returns_at_the_same_moment_are_each_refunded(shop: Shop):
    order, mug = delivered(shop)
    for _ in range(3):
        order.comes_back((mug, 1))
    assert order.settles() == "returned"
    assert Payment.objects.get(order_id=order.id).refunds.count() == 3


def test_a_refund_waits_for_a_processor_that_is_away_and_the_goods_do_not(shop: Shop):
    order, mug = delivered(shop)
    with outage(shop):
        order.comes_back((mug, 3))
        shop.wait_until(lambda: shop.available(mug) == 10, 10)
        shop.wait_until(lambda: SagaStep.objects.exclude(error="").filter(run__subject=order.id).exists(), 10)
        assert order.payment == "succeeded"
    assert order.settles(60) == "returned"
    assert order.payment == "refunded"


def test_every_row_is_the_fold_of_its_stream(shop: Shop):
    order, mug = delivered(shop)
    order.comes_back((mug, 1))
    order.settles()
    call_command("verify_log", stdout=StringIO())
