"""`ReturnOrder` step by step, on the sandbox's own books: its part of the money and of the goods, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection

from events import Refused
from events.delivery.relay import Relay
from events.log.append import read
from events.log.verify import differences
from events.testing import Broker
from inventory.models import Hold, Product, Reservation, Stock, Warehouse
from inventory.services import restock_items
from orders.events import Goods, Received
from orders.fulfilment import returns
from orders.fulfilment.service import deliver, return_items, ship
from orders.models import IllegalTransition, Order, Return
from orders.services import Placement, Wanted, place, request_cancellation
from orders.steps import close_return
from payments.gateway.memory import InProcessGateway
from payments.models import Payment, Refund
from sagas import Call
from sagas.models import SagaRun
from sagas.testing import drain, expect_saga
from tests.integration.api import ADDRESS

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


def delivered(mugs: int = 3, pots: int = 1) -> UUID:
    wanted = [Wanted(MUG, mugs), Wanted(POT, pots)]
    order_id = place(Placement(uuid4(), "EUR", "ada@example.com", "tok_visa", ADDRESS, wanted)).id
    drain()
    ship(order_id, [Goods(sku=MUG, quantity=mugs), Goods(sku=POT, quantity=pots)], carrier="DHL", tracking_number="1")
    deliver(order_id)
    return order_id


def return_goods(order_id: UUID, *items: tuple[str, int]) -> UUID:
    goods = [Goods(sku=sku, quantity=quantity) for sku, quantity in items]
    return return_items(order_id, goods, reason="too red").id


def on_hand(sku: str) -> dict[str, int]:
    return dict(Stock.objects.filter(product_id=sku).values_list("warehouse_id", "on_hand"))


def refunded(processor: InProcessGateway, order_id: UUID) -> Decimal:
    """By the processor's books."""
    (row,) = processor.ledger.authorizations(str(order_id))
    return Decimal(row.refunded)


def runs() -> list[str]:
    return list(SagaRun.objects.filter(saga="ReturnOrder").order_by("id").values_list("state", flat=True))


def test_a_part_comes_back_and_then_the_rest(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    assert on_hand(MUG) == {"BER": 0, "RTM": 9}
    return_goods(order_id, (MUG, 1))
    drain()
    assert refunded(processor, order_id) == Decimal("9.90")
    assert (on_hand(MUG), on_hand(POT)) == ({"BER": 1, "RTM": 9}, {"BER": 4, "RTM": 0})
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded) == ("partially_refunded", Decimal("9.90"))
    assert Reservation.objects.get().state == "committed"

    return_goods(order_id, (POT, 1), (MUG, 2))
    drain()
    payment.refresh_from_db()
    assert (payment.status, payment.refunded) == ("refunded", payment.amount)
    assert refunded(processor, order_id) == payment.amount
    assert (on_hand(MUG), on_hand(POT)) == ({"BER": 2, "RTM": 10}, {"BER": 5, "RTM": 0})
    assert Reservation.objects.get().state == "restocked"
    assert runs() == ["done", "done"]
    assert {key.partition(":")[0] for key in Refund.objects.values_list("key", flat=True)} == {
        str(id_) for id_ in SagaRun.objects.filter(saga="ReturnOrder").values_list("id", flat=True)
    }


def test_two_returns_of_one_order_travel_in_one_cohort(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    parts = [return_goods(order_id, (MUG, 1)), return_goods(order_id, (MUG, 2))]
    drain()
    assert runs() == ["done", "done"]
    of_order = SagaRun.objects.filter(saga="ReturnOrder", subject=order_id).order_by("id")
    assert list(of_order.values_list("part", flat=True)) == parts
    assert sorted(Refund.objects.values_list("amount", flat=True)) == [Decimal("9.90"), Decimal("19.80")]
    assert refunded(processor, order_id) == Decimal("29.70")
    assert on_hand(MUG) == {"BER": 2, "RTM": 10}
    assert [event.type for event in read([f"payment:{order_id}"])][2:] == ["payment.refunded"] * 2


def test_messages_delivered_twice_refund_and_restock_once(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    return_goods(order_id, (MUG, 2))
    Relay().pump()
    for message in broker.take() * 3:
        if message.task.endswith("_return"):
            message.run()
    drain()
    assert refunded(processor, order_id) == Decimal("19.80")
    assert on_hand(MUG) == {"BER": 2, "RTM": 9}


def test_a_refund_whose_answer_never_came_is_made_once(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    processor.faults.act_then_hang = 1
    return_goods(order_id, (MUG, 1))
    drain()
    assert runs() == ["running"]
    assert on_hand(MUG) == {"BER": 1, "RTM": 9}
    expect_saga("ReturnOrder", order_id, ends="done", through_retries=True)
    assert refunded(processor, order_id) == Decimal("9.90")


def test_a_refund_that_the_processor_refuses_is_stuck_and_pages_someone(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    (row,) = processor.ledger.authorizations(str(order_id))
    processor.ledger.set_refunded(row.id, Decimal(row.amount))  # somebody has refunded it at the processor's own page
    return_goods(order_id, (MUG, 1))
    run = expect_saga("ReturnOrder", order_id, ends="stuck", steps={"restock_return": "done"}, through_retries=True)
    assert run.steps["refund_return"].error.startswith("Declined: The refund exceeds")
    assert Payment.objects.get().refunded == 0


def test_the_database_refuses_to_refund_more_than_was_captured(broker: Broker, processor: InProcessGateway):
    delivered()
    payment = Payment.objects.get()
    payment.refund(payment.amount, "re-1", uuid4())
    payment.refund(Decimal("0.01"), "re-2", uuid4())
    with pytest.raises(IntegrityError, match="refunded_at_most_captured"):
        payment.save()


def test_no_more_is_restocked_than_was_committed(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    restock_items([(order_id, [(MUG, 2), ("SPOON", 1)]), (order_id, [(MUG, 5)]), (uuid4(), [(MUG, 1)])])
    assert on_hand(MUG) == {"BER": 2, "RTM": 10}
    assert sorted(Hold.objects.filter(stock__product_id=MUG).values_list("quantity", "restocked")) == [(1, 1), (2, 2)]


def test_a_cancelled_order_comes_back_whole_from_every_shelf(broker: Broker, processor: InProcessGateway):
    order_id = place(Placement(uuid4(), "EUR", "a@example.com", "tok_visa", ADDRESS, [Wanted(MUG, 5)])).id
    drain()
    request_cancellation(order_id, reason="by mistake")
    drain()
    assert on_hand(MUG) == {"BER": 2, "RTM": 10}
    assert (Reservation.objects.get().state, Payment.objects.get().status) == ("restocked", "refunded")
    assert refunded(processor, order_id) == Order.objects.get().total


def test_the_events_of_a_return_name_who_asked_for_it(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    return_goods(order_id, (MUG, 1))
    drain()
    (asked,) = [event for event in read([f"order:{order_id}"]) if event.type == "order.returned"]
    caused = read([f"payment:{order_id}", f"inventory:{order_id}"])[-2:]
    assert {event.type for event in caused} == {"payment.refunded", "inventory.restocked"}
    assert {event.causation_id for event in caused} == {str(asked.event_id)}


def approved(order_id: UUID, *items: tuple[str, int]) -> UUID:
    goods = [Goods(sku=sku, quantity=quantity) for sku, quantity in items]
    taken = returns.request_return(order_id, goods, reason="too red")
    returns.approve(taken.id)
    return taken.id


def arrive(return_id: UUID, warehouse: str, *pieces: tuple[str, int, str]) -> None:
    found = [Received(sku=sku, quantity=quantity, condition=condition) for sku, quantity, condition in pieces]
    returns.receive(return_id, found, warehouse=warehouse)


def test_what_arrives_goes_to_its_warehouse_or_is_written_off(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    Warehouse.objects.create(code="WAW", name="Warsaw", priority=9)
    return_id = approved(order_id, (MUG, 3), (POT, 1))
    drain()
    assert refunded(processor, order_id) == 0
    arrive(return_id, "WAW", (MUG, 2, "restock"), (MUG, 1, "write_off"), (POT, 1, "write_off"))
    drain()
    assert refunded(processor, order_id) == Order.objects.get().total
    assert on_hand(MUG) == {"BER": 0, "RTM": 9, "WAW": 2}
    assert on_hand(POT) == {"BER": 4, "RTM": 0}
    holds = Hold.objects.order_by("id").values_list("stock__product_id", "quantity", "restocked", "written_off")
    assert sorted(holds) == [(MUG, 1, 0, 1), (MUG, 2, 2, 0), (POT, 1, 0, 1)]
    ledger = [event for event in read([f"inventory:{order_id}"]) if event.type == "inventory.written_off"]
    assert [event.data["returnId"] for event in ledger] == [str(return_id)]
    assert {(one["sku"], one["warehouse"], one["quantity"]) for one in ledger[0].data["allocations"]} == {
        (MUG, "WAW", 1), (POT, "WAW", 1),
    }  # fmt: skip
    assert (Return.objects.get().status, Reservation.objects.get().state) == ("refunded", "restocked")


def test_what_is_only_written_off_is_refunded_and_raises_no_stock(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    return_id = approved(order_id, (MUG, 2))
    arrive(return_id, "BER", (MUG, 1, "write_off"))
    drain()
    assert refunded(processor, order_id) == Decimal("9.90")
    assert on_hand(MUG) == {"BER": 0, "RTM": 9}
    assert Return.objects.get().refund == Decimal("9.90")


def test_a_return_is_refunded_once_its_money_is_on_its_way(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    return_id = approved(order_id, (MUG, 1))
    arrive(return_id, "BER", (MUG, 1, "restock"))
    drain(losing={"payments.refund_return"})
    assert Return.objects.get().status == "received"
    assert on_hand(MUG) == {"BER": 1, "RTM": 9}
    expect_saga("ReturnOrder", order_id, part=return_id, ends="done", through_retries=True)
    assert Return.objects.get().status == "refunded"
    (closed,) = [event for event in read([f"order:{order_id}"]) if event.type == "order.return_refunded"]
    assert (closed.data["returnId"], closed.data["refund"]["amount"]) == (str(return_id), "9.90")


def test_nothing_moves_when_nothing_arrives(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    arrive(approved(order_id, (MUG, 1)), "BER")
    drain()
    assert runs() == []
    assert (refunded(processor, order_id), on_hand(MUG)) == (Decimal(0), {"BER": 0, "RTM": 9})


def test_closing_twice_records_it_once(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    return_goods(order_id, (MUG, 1))
    return_goods(order_id, (MUG, 1))
    Relay().pump()
    drain()
    ids = list(Return.objects.values_list("id", flat=True))
    close_return.perform([Call(uuid4(), id_, "close_return", False, 1, "", "") for id_ in ids])
    closed = [event for event in read([f"order:{order_id}"]) if event.type == "order.return_refunded"]
    assert {event.data["returnId"] for event in closed} == {str(id_) for id_ in ids}
    assert len(closed) == 2


def test_however_many_request_at_once_no_more_is_open_than_there_is(broker: Broker, processor: InProcessGateway):
    order_id = delivered()
    goods = [Goods(sku=MUG, quantity=2)]
    assert at_once(4, lambda: returns.request_return(order_id, goods, reason="too red")) == 1
    return_id = Return.objects.get().id
    assert at_once(4, lambda: returns.approve(return_id)) == 1
    pieces = [Received(sku=MUG, quantity=2, condition="restock")]
    assert at_once(4, lambda: returns.receive(return_id, pieces, warehouse="BER")) == 1
    drain()
    assert refunded(processor, order_id) == Decimal("19.80")
    assert on_hand(MUG) == {"BER": 2, "RTM": 9}


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
    broker: Broker, processor: InProcessGateway
):
    wanted = [Wanted(MUG, 5), Wanted(POT, 1)]
    order_id = place(Placement(uuid4(), "EUR", "ada@example.com", "tok_visa", ADDRESS, wanted)).id
    drain()
    mug, pot = Goods(sku=MUG, quantity=2), Goods(sku=POT, quantity=1)
    assert at_once(6, lambda: ship(order_id, [mug], carrier="DHL", tracking_number="1")) == 2
    ship(order_id, [Goods(sku=MUG, quantity=1), pot], carrier="DHL", tracking_number="2")
    assert at_once(4, lambda: deliver(order_id)) == 1
    assert at_once(6, lambda: return_goods(order_id, (MUG, 2))) == 2
    drain()
    assert refunded(processor, order_id) == Decimal("39.60")
    assert sum(on_hand(MUG).values()) == 12 - 1
