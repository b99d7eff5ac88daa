"""`ReturnOrder` step by step, on the sandbox's own books: its part of the money and of the goods, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from events import Refused
from events.log import read
from events.relay import Relay
from events.verify import differences
from inventory.models import Hold, Product, Reservation, Stock, Warehouse
from inventory.services import take_back as restock
from orders.events import Goods
from orders.fulfilment import deliver, ship, take_back
from orders.models import IllegalTransition, Order
from orders.services import Placement, Wanted, place, request_cancellation
from payments.gateway.memory import InProcessGateway
from payments.models import Payment, Refund
from sagas.cohorts import advance
from sagas.declare import sagas
from sagas.models import SagaRun, SagaStep
from sagas.start import sweep
from tests.integration.api import ADDRESS
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)
MUG, POT = "MUG", "POT"


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> InProcessGateway:
    one = InProcessGateway(timeout=0.2)
    monkeypatch.setattr("payments.steps.gateway", lambda: one)
    return one


@pytest.fixture(autouse=True)
def _shelves() -> Iterator[None]:
    """The mugs lie in two places."""
    for number, code in enumerate(("BER", "RTM")):
        Warehouse.objects.create(code=code, name=code, priority=number)
    for sku, price, on_hand in ((MUG, "9.90", (2, 10)), (POT, "34.50", (5, 0))):
        product = Product.objects.create(sku=sku, name=sku.title(), price=Decimal(price))
        for code, quantity in zip(("BER", "RTM"), on_hand, strict=True):
            Stock.objects.create(product=product, warehouse_id=code, on_hand=quantity)
    yield
    assert list(differences()) == []


def work(mail: Mail) -> None:
    """Starts what is to be started and works off the queues; runs are settled by hand, for want of a worker."""
    names = {one.name for one in sagas()}
    Relay().pump()
    while messages := [(task, args) for task, args in mail.messages() if args and str(args[0]) in names]:
        for task, args in messages:
            mail.app.tasks[task](*args)
        advance(list(SagaRun.objects.values_list("id", flat=True)))


def again(mail: Mail) -> None:
    """All that waits for another try is due."""
    past = timezone.now() - timedelta(seconds=1)
    SagaStep.objects.filter(due_at__isnull=False).update(due_at=past)
    SagaRun.objects.filter(wake_at__isnull=False).update(wake_at=past)
    sweep()
    work(mail)


def delivered(mail: Mail, mugs: int = 3, pots: int = 1) -> UUID:
    wanted = [Wanted(MUG, mugs), Wanted(POT, pots)]
    order_id = place(Placement(uuid4(), "EUR", "ada@example.com", "tok_visa", ADDRESS, wanted)).id
    work(mail)
    ship(order_id, [Goods(sku=MUG, quantity=mugs), Goods(sku=POT, quantity=pots)], carrier="DHL", tracking_number="1")
    deliver(order_id)
    return order_id


def give_back(order_id: UUID, *items: tuple[str, int]) -> UUID:
    goods = [Goods(sku=sku, quantity=quantity) for sku, quantity in items]
    return take_back(order_id, goods, reason="too red").id


def on_hand(sku: str) -> dict[str, int]:
    return dict(Stock.objects.filter(product_id=sku).values_list("warehouse_id", "on_hand"))


def refunded(processor: InProcessGateway, order_id: UUID) -> Decimal:
    """By the processor's books."""
    (row,) = processor.ledger.authorizations(str(order_id))
    return Decimal(row.refunded)


def runs() -> list[str]:
    return list(SagaRun.objects.filter(saga="ReturnOrder").order_by("id").values_list("state", flat=True))


def test_a_part_comes_back_and_then_the_rest(mail: Mail, processor: InProcessGateway):
    order_id = delivered(mail)
    assert on_hand(MUG) == {"BER": 0, "RTM": 9}
    give_back(order_id, (MUG, 1))
    work(mail)
    assert refunded(processor, order_id) == Decimal("9.90")
    assert (on_hand(MUG), on_hand(POT)) == ({"BER": 1, "RTM": 9}, {"BER": 4, "RTM": 0})
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded) == ("partially_refunded", Decimal("9.90"))
    assert Reservation.objects.get().state == "committed"

    give_back(order_id, (POT, 1), (MUG, 2))
    work(mail)
    payment.refresh_from_db()
    assert (payment.status, payment.refunded) == ("refunded", payment.amount)
    assert refunded(processor, order_id) == payment.amount
    assert (on_hand(MUG), on_hand(POT)) == ({"BER": 2, "RTM": 10}, {"BER": 5, "RTM": 0})
    assert Reservation.objects.get().state == "restocked"
    assert runs() == ["done", "done"]
    assert {key.partition(":")[0] for key in Refund.objects.values_list("key", flat=True)} == {
        str(id_) for id_ in SagaRun.objects.filter(saga="ReturnOrder").values_list("id", flat=True)
    }


def test_two_returns_of_one_order_travel_in_one_cohort(mail: Mail, processor: InProcessGateway):
    order_id = delivered(mail)
    parts = [give_back(order_id, (MUG, 1)), give_back(order_id, (MUG, 2))]
    work(mail)
    assert runs() == ["done", "done"]
    of_order = SagaRun.objects.filter(saga="ReturnOrder", subject=order_id).order_by("id")
    assert list(of_order.values_list("part", flat=True)) == parts
    assert sorted(Refund.objects.values_list("amount", flat=True)) == [Decimal("9.90"), Decimal("19.80")]
    assert refunded(processor, order_id) == Decimal("29.70")
    assert on_hand(MUG) == {"BER": 2, "RTM": 10}
    assert [event.type for event in read([f"payment:{order_id}"])][2:] == ["payment.refunded"] * 2


def test_messages_delivered_twice_refund_and_restock_once(mail: Mail, processor: InProcessGateway):
    order_id = delivered(mail)
    give_back(order_id, (MUG, 2))
    Relay().pump()
    for task, args in mail.messages() * 3:
        if args and args[0] == "ReturnOrder":
            mail.app.tasks[task](*args)
    work(mail)
    assert refunded(processor, order_id) == Decimal("19.80")
    assert on_hand(MUG) == {"BER": 2, "RTM": 9}


def test_a_refund_whose_answer_never_came_is_made_once(mail: Mail, processor: InProcessGateway):
    order_id = delivered(mail)
    processor.faults.act_then_hang = 1
    give_back(order_id, (MUG, 1))
    work(mail)
    assert runs() == ["running"]
    assert on_hand(MUG) == {"BER": 1, "RTM": 9}
    again(mail)
    assert runs() == ["done"]
    assert refunded(processor, order_id) == Decimal("9.90")


def test_a_refund_that_the_processor_refuses_is_stuck_and_pages_someone(mail: Mail, processor: InProcessGateway):
    order_id = delivered(mail)
    (row,) = processor.ledger.authorizations(str(order_id))
    processor.ledger.set_refunded(row.id, Decimal(row.amount))  # somebody has refunded it at the processor's own page
    give_back(order_id, (MUG, 1))
    work(mail)
    for _ in range(10):
        again(mail)
    assert runs() == ["stuck"]
    assert SagaStep.objects.get(name="refund_return").error.startswith("Declined: The refund exceeds")
    assert SagaStep.objects.get(name="restock_return").state == "done"
    assert Payment.objects.get().refunded == 0


def test_the_database_refuses_to_refund_more_than_was_captured(mail: Mail, processor: InProcessGateway):
    delivered(mail)
    payment = Payment.objects.get()
    payment.refund(payment.amount, "re-1")
    payment.refund(Decimal("0.01"), "re-2")
    with pytest.raises(IntegrityError, match="refunded_at_most_captured"):
        payment.save()


def test_no_more_is_restocked_than_was_committed(mail: Mail, processor: InProcessGateway):
    order_id = delivered(mail)
    restock([(order_id, [(MUG, 2), ("SPOON", 1)]), (order_id, [(MUG, 5)]), (uuid4(), [(MUG, 1)])])
    assert on_hand(MUG) == {"BER": 2, "RTM": 10}
    assert sorted(Hold.objects.filter(stock__product_id=MUG).values_list("quantity", "restocked")) == [(1, 1), (2, 2)]


def test_a_cancelled_order_comes_back_whole_from_every_shelf(mail: Mail, processor: InProcessGateway):
    order_id = place(Placement(uuid4(), "EUR", "a@example.com", "tok_visa", ADDRESS, [Wanted(MUG, 5)])).id
    work(mail)
    request_cancellation(order_id, reason="by mistake")
    work(mail)
    assert on_hand(MUG) == {"BER": 2, "RTM": 10}
    assert (Reservation.objects.get().state, Payment.objects.get().status) == ("restocked", "refunded")
    assert refunded(processor, order_id) == Order.objects.get().total


def test_the_events_of_a_return_name_who_asked_for_it(mail: Mail, processor: InProcessGateway):
    order_id = delivered(mail)
    give_back(order_id, (MUG, 1))
    work(mail)
    (asked,) = [event for event in read([f"order:{order_id}"]) if event.type == "order.returned"]
    caused = read([f"payment:{order_id}", f"inventory:{order_id}"])[-2:]
    assert {event.type for event in caused} == {"payment.refunded", "inventory.restocked"}
    assert {event.causation_id for event in caused} == {str(asked.event_id)}


def at_once(count: int, deed: Callable[[], object]) -> int:
    """How many of so many threads were not refused."""

    def attempt(_: int) -> bool:
        try:
            deed()
        except (Refused, IllegalTransition):
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(attempt, range(count)))


def test_however_many_ask_at_once_no_more_is_shipped_and_returned_than_there_is(
    mail: Mail, processor: InProcessGateway
):
    wanted = [Wanted(MUG, 5), Wanted(POT, 1)]
    order_id = place(Placement(uuid4(), "EUR", "ada@example.com", "tok_visa", ADDRESS, wanted)).id
    work(mail)
    mug, pot = Goods(sku=MUG, quantity=2), Goods(sku=POT, quantity=1)
    assert at_once(6, lambda: ship(order_id, [mug], carrier="DHL", tracking_number="1")) == 2
    ship(order_id, [Goods(sku=MUG, quantity=1), pot], carrier="DHL", tracking_number="2")
    assert at_once(4, lambda: deliver(order_id)) == 1
    assert at_once(6, lambda: give_back(order_id, (MUG, 2))) == 2
    work(mail)
    assert refunded(processor, order_id) == Decimal("39.60")
    assert sum(on_hand(MUG).values()) == 12 - 1
