"""An order placed ends confirmed or cancelled, and leaves nothing behind."""

import time
from uuid import uuid4

from orders.services import request_cancellation
from tests.acceptance.shop import Shop


def sku(name: str) -> str:
    return f"{name}-{uuid4().hex[:6]}".upper()


def test_a_good_card_confirms(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 5)
    order = shop.places(mug, quantity=2)
    assert order.settles() == "confirmed"
    assert (shop.on_hand(mug), shop.available(mug)) == (3, 3)
    assert order.payment == "succeeded"
    assert sum(order.row.number in mail for mail in shop.mails()) == 1


def test_a_declined_card_releases_the_stock(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 5)
    order = shop.places(mug, quantity=2, pays="tok_declined")
    assert order.settles() == "cancelled"
    assert order.row.cancel_reason == "card_declined"
    assert order.payment == "failed"
    assert shop.available(mug) == 5


def test_a_shortage_voids_the_authorization(shop: Shop):
    pot = sku("pot")
    shop.stock(pot, 1)
    order = shop.places(pot, quantity=2)
    assert order.settles() == "cancelled"
    assert order.row.cancel_reason == "out_of_stock"
    assert order.payment == "voided"
    assert shop.available(pot) == 1


def test_a_flaky_gateway_confirms_after_retries(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 1)
    assert shop.places(mug, pays="tok_flaky").settles() == "confirmed"


def test_a_failed_capture_voids_the_authorization(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 1)
    order = shop.places(mug, pays="tok_capture_fails")
    assert order.settles() == "cancelled"
    assert order.row.cancel_reason == "capture_failed"
    assert order.payment == "voided"
    assert shop.available(mug) == 1


def test_a_gateway_that_never_answers_cancels_in_time_and_holds_up_nobody(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 10)
    hanging = shop.places(mug, pays="tok_timeout")
    time.sleep(0.3)
    others = [shop.places(mug) for _ in range(5)]
    began = time.monotonic()
    shop.wait_until(lambda: all(order.row.status == "confirmed" for order in others), 5)
    assert time.monotonic() - began < 5
    assert hanging.row.status == "pending"
    assert hanging.settles(within=90) == "cancelled"
    assert shop.available(mug) == 5


def test_holds_reach_over_warehouses(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 2, 3)
    assert shop.places(mug, quantity=4).settles() == "confirmed"
    assert shop.available(mug) == 1


def test_nothing_is_oversold(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 7, 3)
    orders = [shop.places(mug) for _ in range(30)]
    assert sorted(order.settles() for order in orders) == ["cancelled"] * 20 + ["confirmed"] * 10
    assert shop.available(mug) == 0


def test_a_customer_cancels_while_the_card_is_asked(shop: Shop):
    mug = sku("mug")
    shop.stock(mug, 1)
    order = shop.places(mug, pays="tok_timeout")
    shop.wait_until(lambda: shop.available(mug) == 0, 5)
    request_cancellation(order.id, reason="changed my mind")
    assert order.settles(within=60) == "cancelled"
    assert order.row.cancel_reason == "changed my mind"
    assert shop.available(mug) == 1
