"""The ways that an order can go, told as the business tells them; the sandbox's own rules decide about the money."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.core import mail

from events import Money
from events.log.append import read
from events.log.verify import differences
from events.testing import Deliveries, given, like
from inventory.events import (
    InventoryCommitted,
    InventoryRejected,
    InventoryReleased,
    InventoryReserved,
    InventoryRestocked,
)
from inventory.models import Product, Stock, Warehouse
from notifications.events import NotificationSent
from orders.events import (
    Goods,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRefundRequested,
    OrderReturned,
    OrderReturnRefunded,
)
from orders.fulfilment.service import deliver, request_refund, return_items, ship
from orders.models import IllegalTransition, Order
from orders.services import Placement, Wanted, place, request_cancellation
from payments.events import PaymentAuthorized, PaymentFailed, PaymentRefunded, PaymentSucceeded, PaymentVoided
from payments.gateway.memory import InProcessGateway
from sagas.testing import drain, expect_saga, saga_of
from tests.integration.api import ADDRESS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
MUG = "MUG-RED"
REASON = "changed-mind"


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> InProcessGateway:
    one = InProcessGateway(timeout=0.2)
    monkeypatch.setattr("payments.steps.gateway", lambda: one)
    return one


@pytest.fixture(autouse=True)
def _five_mugs() -> Iterator[None]:
    """And in the end every row is what its stream says."""
    product = Product.objects.create(sku=MUG, name="Red mug", price=Decimal("9.90"))
    Stock.objects.create(product=product, warehouse=Warehouse.objects.create(code="BER", name="Berlin"), on_hand=5)
    yield
    assert list(differences()) == []


def placed(quantity: int = 2, *, pays: str = "tok_visa") -> UUID:
    return place(Placement(uuid4(), "EUR", "ada@example.com", pays, ADDRESS, [Wanted(MUG, quantity)])).id


def confirmed() -> UUID:
    order_id = placed()
    expect_saga("PlaceOrder", order_id, ends="done")
    return order_id


def delivered() -> UUID:
    order_id = confirmed()
    ship(order_id, [Goods(sku=MUG, quantity=2)], carrier="DHL", tracking_number="1")
    deliver(order_id)
    return order_id


def available() -> int:
    return Stock.objects.get().available


# --- PlaceOrder ----------------------------------------------------------------------------------------------


def test_placing_an_order_records_that_it_was_placed_and_nothing_more():
    given().when(placed).expect(OrderCreated)
    given().when(drain).expect(
        InventoryReserved, PaymentAuthorized, PaymentSucceeded, InventoryCommitted, OrderConfirmed, NotificationSent,
        in_any_order=True,
    )  # fmt: skip


def test_a_placed_order_is_held_paid_and_confirmed(deliveries: Deliveries):
    order_id = placed()
    steps = dict.fromkeys(
        ("hold_stock", "authorize_payment", "capture_payment", "commit_stock", "confirm_order"), "done"
    )
    expect_saga("PlaceOrder", order_id, ends="done", steps=steps)
    assert Order.objects.get().status == "confirmed"
    assert Stock.objects.get().on_hand == 3
    deliveries.expect("orders.PlaceOrder", OrderCreated)
    deliveries.expect("orders.daily_sales", OrderConfirmed)
    deliveries.expect("notifications.mail_confirmation", OrderConfirmed)
    deliveries.expect_all_done()
    assert len(mail.outbox) == 1


def test_a_declined_card_releases_the_stock():
    order_id = placed(pays="tok_declined")
    given().when(drain).expect(
        InventoryReserved, like(PaymentFailed, reason="card_declined"), like(InventoryReleased, reason="card_declined"),
        like(OrderCancelled, reason="card_declined", was_confirmed=False), NotificationSent, in_any_order=True,
    )  # fmt: skip
    steps = {"hold_stock": "undone", "authorize_payment": "refused", "capture_payment": None}
    expect_saga("PlaceOrder", order_id, ends="undone", steps=steps, reason="card_declined")
    assert available() == 5


def test_what_is_out_of_stock_costs_nothing():
    order_id = placed(6)
    given().when(drain).expect(
        InventoryRejected, PaymentAuthorized, PaymentVoided, like(OrderCancelled, reason="out_of_stock"),
        NotificationSent, in_any_order=True,
    )  # fmt: skip
    expect_saga("PlaceOrder", order_id, ends="undone", steps={"authorize_payment": "undone"}, reason="out_of_stock")


def test_a_capture_that_fails_gives_stock_and_money_back():
    order_id = placed(pays="tok_capture_fails")
    expect_saga("PlaceOrder", order_id, ends="undone", steps={"authorize_payment": "undone", "hold_stock": "undone"})
    assert Order.objects.get().status == "cancelled"
    assert available() == 5


def test_an_outage_of_the_processor_is_waited_for(processor: InProcessGateway):
    processor.faults.outage = True
    order_id = placed()
    drain()
    run = saga_of(order_id)
    assert (run.state, run.steps["hold_stock"].state, run.steps["authorize_payment"].state) == (
        "running", "done", "waiting",
    )  # fmt: skip
    processor.faults.outage = False
    expect_saga("PlaceOrder", order_id, ends="done", through_retries=True)


@pytest.mark.parametrize("task", ["inventory.hold_stock", "payments.capture_payment", "sagas.decide"])
def test_a_message_that_the_broker_loses_loses_no_order(task: str):
    order_id = placed()
    drain(losing={task})
    assert saga_of(order_id).state == "running"
    expect_saga("PlaceOrder", order_id, ends="done", through_retries=True)


# --- CancelOrder ---------------------------------------------------------------------------------------------


def test_a_confirmed_order_that_is_cancelled_is_refunded_and_restocked():
    order_id = confirmed()
    given().when(lambda: request_cancellation(order_id, reason=REASON)).expect(
        like(OrderCancelled, reason=REASON, was_confirmed=True)
    )
    given().when(drain).expect(
        PaymentRefunded, InventoryRestocked, NotificationSent, NotificationSent, in_any_order=True
    )
    expect_saga("CancelOrder", order_id, ends="done", steps={"refund_payment": "done", "restock": "done"})
    assert available() == 5


def test_a_pending_order_that_is_cancelled_turns_back():
    order_id = placed()
    drain(losing={"payments.authorize_payment"})
    given().when(lambda: request_cancellation(order_id, reason=REASON)).expect()
    expect_saga("PlaceOrder", order_id, ends="undone", steps={"hold_stock": "undone"}, reason="cancellation_requested")
    assert Order.objects.get().status == "cancelled"
    assert available() == 5


def test_a_shipped_order_cannot_be_cancelled():
    order_id = delivered()
    given().when(lambda: request_cancellation(order_id, reason=REASON)).expect_refusal(
        IllegalTransition, saying="cannot become cancelled"
    )


# --- ReturnOrder ---------------------------------------------------------------------------------------------


def test_what_comes_back_is_refunded_and_restocked():
    order_id = delivered()
    goods = [Goods(sku=MUG, quantity=1)]
    then = (
        given()
        .when(lambda: return_items(order_id, goods, reason="too red"))
        .expect(like(OrderReturned, items=tuple(goods), complete=False))
    )
    given().when(drain).expect(
        like(PaymentRefunded, amount=Money(Decimal("9.90"), "EUR")), InventoryRestocked, OrderReturnRefunded,
        NotificationSent,
        NotificationSent, NotificationSent, in_any_order=True,
    )  # fmt: skip
    (returned,) = then.events
    assert isinstance(returned, OrderReturned)
    expect_saga("ReturnOrder", order_id, part=returned.return_id, ends="done")
    assert available() == 4


def test_more_than_was_shipped_cannot_come_back():
    order_id = delivered()
    given().when(lambda: return_items(order_id, [Goods(sku=MUG, quantity=3)], reason="too red")).expect_refusal(
        "more-than-shipped", saying="At most 2 of MUG-RED can still be returned"
    )


# --- RefundOrder ---------------------------------------------------------------------------------------------


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


def refunds_of(order_id: UUID) -> list[Decimal]:
    refunded = [event for event in read([f"payment:{order_id}"]) if event.type == "payment.refunded"]
    return sorted(Decimal(event.data["amount"]["amount"]) for event in refunded)


def test_staff_refund_a_part_and_nothing_comes_back():
    order_id = delivered()
    given().when(lambda: request_refund(order_id, euros("5.00"), reason="scratched")).expect(
        like(OrderRefundRequested, amount=euros("5.00"), reason="scratched")
    )
    given().when(drain).expect(
        like(PaymentRefunded, amount=euros("5.00"), complete=False),
        NotificationSent,
        NotificationSent,
        in_any_order=True,
    )
    expect_saga("RefundOrder", order_id, ends="done", steps={"refund_part": "done"})
    assert available() == 3


def test_no_more_is_refunded_than_was_paid():
    order_id = confirmed()
    request_refund(order_id, euros("15.00"), reason="late")
    given().when(lambda: request_refund(order_id, euros("4.81"), reason="late")).expect_refusal(
        "more-than-paid", saying="At most 4.80 EUR can be refunded"
    )
    given().when(lambda: request_refund(order_id, Money(Decimal(1), "USD"), reason="late")).expect_refusal(
        "wrong-currency", saying="The order was paid in EUR"
    )


def test_a_cancellation_refunds_what_is_left():
    order_id = confirmed()
    request_refund(order_id, euros("5.00"), reason="late")
    given().when(lambda: request_cancellation(order_id, reason=REASON)).expect(
        like(OrderCancelled, refund=euros("14.80"))
    )
    drain()
    assert refunds_of(order_id) == [Decimal("5.00"), Decimal("14.80")]
    assert Order.objects.get().refundable == 0


def test_a_return_refunds_no_more_than_is_left():
    order_id = delivered()
    request_refund(order_id, euros("15.00"), reason="late")
    drain()
    return_items(order_id, [Goods(sku=MUG, quantity=1)], reason="too red")
    drain()
    assert refunds_of(order_id) == [Decimal("4.80"), Decimal("15.00")]


def test_an_order_that_is_not_paid_yet_has_nothing_to_refund():
    order_id = placed()
    given().when(lambda: request_refund(order_id, euros("1.00"), reason="late")).expect_refusal(
        IllegalTransition, saying="is pending, so no money of it can be refunded"
    )
