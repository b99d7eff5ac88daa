"""`CancelItems`: what is unshipped of a partially shipped order is cancelled, refunded and restocked, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction

from events import Money, Refused
from events.delivery.relay import Relay
from events.log.append import read
from events.log.verify import differences
from events.testing import Broker, given, like
from inventory.events import InventoryRestocked
from inventory.models import Product, Reservation, Stock, Warehouse
from notifications.events import NotificationSent
from orders.events import Goods, OrderItemsCancelled
from orders.fulfilment.service import deliver, return_items, ship
from orders.models import Cancellation, DailySales, IllegalTransition, ImpossibleQuantity, Order, OrderLine
from orders.selectors import as_it_was
from orders.services import Placement, StaleVersion, Wanted, place, request_cancellation
from payments.events import PaymentRefunded
from payments.gateway.memory import InProcessGateway
from payments.models import Payment, Refund
from sagas.models import SagaRun
from sagas.testing import drain, expect_saga
from tests.integration.api import ADDRESS

pytestmark = pytest.mark.django_db(transaction=True)
MUG, POT = "MUG", "POT"
REASON = "lost in the warehouse"


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> InProcessGateway:
    one = InProcessGateway(timeout=0.2)
    monkeypatch.setattr("payments.steps.gateway", lambda: one)
    return one


@pytest.fixture(autouse=True)
def _shelves(broker: Broker, processor: InProcessGateway) -> Iterator[None]:
    """The mugs lie in two places, of which the first is emptied first."""
    for number, code in enumerate(("BER", "RTM")):
        Warehouse.objects.create(code=code, name=code, priority=number)
    for sku, price, on_hand in ((MUG, "9.90", (2, 10)), (POT, "34.50", (5, 0))):
        product = Product.objects.create(sku=sku, name=sku.title(), price=Decimal(price))
        for code, quantity in zip(("BER", "RTM"), on_hand, strict=True):
            Stock.objects.create(product=product, warehouse_id=code, on_hand=quantity)
    yield
    assert list(differences()) == []


def goods(*items: tuple[str, int]) -> list[Goods]:
    return [Goods(sku=sku, quantity=quantity) for sku, quantity in items]


def partially_shipped(mugs: int = 5, pots: int = 1, *, shipped: int = 2) -> UUID:
    wanted = [Wanted(MUG, mugs), Wanted(POT, pots)]
    order_id = place(Placement(uuid4(), "EUR", "ada@example.com", "tok_visa", ADDRESS, wanted)).id
    drain()
    ship_mugs(order_id, shipped)
    return order_id


def ship_mugs(order_id: UUID, quantity: int) -> None:
    ship(order_id, goods((MUG, quantity)), carrier="DHL", tracking_number="1")


def cancel(order_id: UUID, *items: tuple[str, int]) -> UUID:
    part = request_cancellation(order_id, reason=REASON, items=goods(*items)).part
    assert part
    return part.id


def on_hand(sku: str) -> dict[str, int]:
    return dict(Stock.objects.filter(product_id=sku).values_list("warehouse_id", "on_hand"))


def refunded(processor: InProcessGateway, order_id: UUID) -> Decimal:
    """By the processor's books."""
    (row,) = processor.ledger.authorizations(str(order_id))
    return Decimal(row.refunded)


def status(order_id: UUID) -> str:
    return Order.objects.get(id=order_id).status


def runs() -> list[str]:
    return list(SagaRun.objects.filter(saga="CancelItems").order_by("id").values_list("state", flat=True))


def test_all_that_is_unshipped_is_cancelled_refunded_and_restocked(processor: InProcessGateway) -> None:
    order_id = partially_shipped()
    drain()  # the mail about the parcel
    mail.outbox.clear()
    given().when(lambda: cancel(order_id)).expect(
        like(
            OrderItemsCancelled,
            items=tuple(goods((MUG, 3), (POT, 1))),
            refund=Money(Decimal("64.20"), "EUR"),
            reason=REASON,
            complete=True,
        )
    )
    assert status(order_id) == "shipped"
    given().when(drain).expect(
        PaymentRefunded, InventoryRestocked, NotificationSent, NotificationSent, in_any_order=True
    )
    assert runs() == ["done"]
    assert refunded(processor, order_id) == Decimal("64.20")
    assert Payment.objects.get().status == "partially_refunded"
    assert list(OrderLine.objects.values_list("sku", "shipped_quantity", "cancelled_quantity")) == [
        (MUG, 2, 3),
        (POT, 0, 1),
    ]
    letter, second = mail.outbox
    assert second.subject.endswith("was partly refunded")
    assert letter.subject.endswith("was cancelled in part")
    assert REASON in letter.body
    assert "64.20 EUR" in letter.body
    assert "will be refunded" in letter.body


def test_the_rest_of_such_an_order_is_delivered_and_returned(processor: InProcessGateway) -> None:
    order_id = partially_shipped()
    cancel(order_id)
    deliver(order_id)
    with pytest.raises(ImpossibleQuantity, match="At most 2 of MUG"):
        return_items(order_id, goods((MUG, 3)), reason="too red")
    return_items(order_id, goods((MUG, 2)), reason="too red")
    drain()
    assert status(order_id) == "returned"
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded) == ("refunded", payment.amount)
    assert refunded(processor, order_id) == payment.amount
    assert Reservation.objects.get().state == "restocked"
    assert (on_hand(MUG), on_hand(POT)) == ({"BER": 2, "RTM": 10}, {"BER": 5, "RTM": 0})


def test_what_was_not_shipped_goes_back_to_the_shelf_that_it_lies_on() -> None:
    """Five mugs: two of Berlin, which were shipped first, and three of Rotterdam."""
    order_id = partially_shipped()
    assert on_hand(MUG) == {"BER": 0, "RTM": 7}
    cancel(order_id, (MUG, 2))
    drain()
    assert on_hand(MUG) == {"BER": 0, "RTM": 9}


def test_some_items_are_cancelled_and_the_others_shipped(processor: InProcessGateway) -> None:
    order_id = partially_shipped()
    cancel(order_id, (MUG, 1))
    assert status(order_id) == "partially_shipped"
    with pytest.raises(ImpossibleQuantity, match="At most 2 of MUG can still be shipped"):
        ship_mugs(order_id, 3)
    ship(order_id, goods((MUG, 2), (POT, 1)), carrier="DHL", tracking_number="2")
    assert status(order_id) == "shipped"
    drain()
    assert refunded(processor, order_id) == Decimal("9.90")
    with pytest.raises(IllegalTransition, match="nothing is left to cancel"):
        cancel(order_id, (MUG, 1))
    with pytest.raises(IllegalTransition, match="it cannot become cancelled"):
        request_cancellation(order_id, reason=REASON)


def test_only_a_partially_shipped_order_is_cancelled_in_part() -> None:
    order_id = place(Placement(uuid4(), "EUR", "a@example.com", "tok_visa", ADDRESS, [Wanted(MUG, 2)])).id
    for _ in ("pending", "confirmed"):
        with pytest.raises(IllegalTransition, match="only be cancelled as a whole: leave out the items"):
            cancel(order_id, (MUG, 1))
        drain()
    assert not Cancellation.objects.exists()


def test_two_cancellations_of_one_order_travel_in_one_cohort(processor: InProcessGateway) -> None:
    order_id = partially_shipped()
    parts = [cancel(order_id, (MUG, 1)), cancel(order_id, (MUG, 1), (POT, 1))]
    drain()
    assert runs() == ["done", "done"]
    of_order = SagaRun.objects.filter(saga="CancelItems", subject=order_id).order_by("id")
    assert list(of_order.values_list("part", flat=True)) == parts
    assert sorted(Refund.objects.values_list("amount", flat=True)) == [Decimal("9.90"), Decimal("44.40")]
    assert refunded(processor, order_id) == Decimal("54.30")
    assert (on_hand(MUG), on_hand(POT)) == ({"BER": 0, "RTM": 9}, {"BER": 5, "RTM": 0})


def test_messages_delivered_twice_refund_and_restock_once(processor: InProcessGateway) -> None:
    order_id = partially_shipped()
    drain()
    cancel(order_id)
    Relay().pump()
    for message in Broker().take() * 3:
        if message.task.rpartition(".")[2].startswith(("refund", "restock")):
            message.run()
    drain()
    assert runs() == ["done"]
    assert refunded(processor, order_id) == Decimal("64.20")
    assert sum(on_hand(MUG).values()) == 10


@pytest.mark.parametrize("task", ["inventory.restock_unshipped", "sagas.decide"])
def test_a_lost_message_loses_no_refund(processor: InProcessGateway, task: str) -> None:
    order_id = partially_shipped()
    cancel(order_id)
    drain(losing={task})
    expect_saga("CancelItems", order_id, ends="done", through_retries=True)
    assert refunded(processor, order_id) == Decimal("64.20")
    assert sum(on_hand(MUG).values()) == 10


def test_a_refund_whose_answer_never_came_is_made_once(processor: InProcessGateway) -> None:
    order_id = partially_shipped()
    processor.faults.act_then_hang = 1
    cancel(order_id)
    drain()
    with pytest.raises(IllegalTransition, match="it cannot become cancelled"):
        request_cancellation(order_id, reason=REASON)
    expect_saga("CancelItems", order_id, ends="done", through_retries=True)
    assert refunded(processor, order_id) == Decimal("64.20")


def at_once(*deeds: Callable[[], object]) -> list[bool]:
    """Which of these deeds, begun together, were not refused."""
    ready = threading.Barrier(len(deeds))

    def attempt(deed: Callable[[], object]) -> bool:
        try:
            ready.wait(10)
            deed()
        except (Refused, IllegalTransition, StaleVersion):
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(attempt, deeds))


def test_nobody_ships_what_is_cancelled_or_cancels_what_is_shipped(processor: InProcessGateway) -> None:
    order_id = partially_shipped(mugs=8, shipped=1)
    ships = [lambda: ship_mugs(order_id, 2)] * 4
    cancels = [lambda: cancel(order_id, (MUG, 2))] * 4
    done = at_once(*ships, *cancels)
    assert sum(done) == 3
    line = OrderLine.objects.get(sku=MUG)
    assert (line.shipped_quantity, line.cancelled_quantity) == (1 + 2 * sum(done[:4]), 2 * sum(done[4:]))
    drain()
    assert refunded(processor, order_id) == Decimal("9.90") * line.cancelled_quantity
    assert sum(on_hand(MUG).values()) == 12 - 8 + line.cancelled_quantity


def test_of_those_who_cancel_the_rest_at_once_one_does(processor: InProcessGateway) -> None:
    order_id = partially_shipped()
    assert sum(at_once(*[lambda: request_cancellation(order_id, reason=REASON)] * 5)) == 1
    drain()
    assert refunded(processor, order_id) == Decimal("64.20")


def test_who_read_an_older_version_cancels_nothing() -> None:
    order_id = partially_shipped()
    version = Order.objects.get().version
    ship_mugs(order_id, 1)
    with pytest.raises(StaleVersion, match="Read it again"):
        request_cancellation(order_id, reason=REASON, expected_version=version)
    assert not Cancellation.objects.exists()


def test_the_database_refuses_to_cancel_what_is_shipped() -> None:
    partially_shipped()
    with pytest.raises(IntegrityError, match="shipped_and_cancelled_at_most_ordered"), transaction.atomic():
        OrderLine.objects.filter(sku=MUG).update(cancelled_quantity=4)


def test_the_order_is_shown_as_it_was_before() -> None:
    order_id = partially_shipped()
    cancel(order_id, (POT, 1))
    cancel(order_id)
    order = Order.objects.get(id=order_id)
    states = [as_it_was(order, version).state for version in range(3, 6)]
    told = [(state.status, *(line.cancelled for line in state.lines)) for state in states]
    assert told == [("partially_shipped", 0, 0), ("partially_shipped", 0, 1), ("shipped", 3, 1)]


def test_what_is_refunded_is_in_the_daily_sales() -> None:
    order_id = partially_shipped()
    cancel(order_id)
    drain()
    (day,) = DailySales.objects.live()
    assert (day.confirmed, day.revenue, day.cancelled, day.refunded) == (1, Decimal("84.00"), 0, Decimal("64.20"))


def test_the_events_of_a_cancellation_name_what_caused_them() -> None:
    order_id = partially_shipped()
    cancel(order_id)
    drain()
    (asked,) = [event for event in read([f"order:{order_id}"]) if event.type == "order.items_cancelled"]
    caused = read([f"payment:{order_id}", f"inventory:{order_id}"])[-2:]
    assert {event.type for event in caused} == {"payment.refunded", "inventory.restocked"}
    assert {event.causation_id for event in caused} == {str(asked.event_id)}
