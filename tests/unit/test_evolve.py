"""Whatever may happen to an aggregate, the fold of what it recorded is the aggregate."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Event, Money, Refused
from events.log.fold import fold
from inventory.events import Allocation, InventoryCommitted, InventoryReserved, InventoryRestocked
from inventory.evolve import Holding
from inventory.evolve import evolve as evolve_reservation
from orders.events import Goods, Item, OrderConfirmed, OrderItemsCancelled
from orders.evolve import evolve as evolve_order
from orders.models import IllegalTransition, Order, OrderLine
from payments.events import PaymentRefunded
from payments.models import Payment

EUR = "EUR"


def an_order(quantities: list[int]) -> Order:
    """With its lines as if prefetched."""
    items = tuple(
        Item(sku=f"SKU-{place}", quantity=quantity, unit_price=Money(Decimal(place + 1) / 4, EUR))
        for place, quantity in enumerate(quantities)
    )
    order = Order.place(
        customer_id=uuid4(), email="ada@example.com", payment_token="tok_visa", shipping_address={}, items=items
    )
    lines = [
        OrderLine(order=order, sku=item.sku, quantity=item.quantity, unit_price=item.unit_price.amount)
        for item in items
    ]
    vars(order)["_prefetched_objects_cache"] = {"lines": lines, "returns": []}
    return order


DEEDS = ("confirm", "cancel", "cancel_items", "ship", "deliver", "return_items", "request_refund")
goods = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=3, unique_by=lambda one: one[0])
deeds = st.lists(st.tuples(st.sampled_from(DEEDS), goods), max_size=25)


def do(order: Order, deed: str, chosen: list[tuple[int, int]]) -> None:
    items = [Goods(sku=f"SKU-{place}", quantity=quantity) for place, quantity in chosen]
    arguments: dict[str, tuple[Any, ...]] = {
        "confirm": (),
        "cancel": ("r" * 120, "in detail"),
        "cancel_items": (uuid4(), items, "sold out"),
        "ship": (uuid4(), items, "DHL", "1"),
        "deliver": (),
        "return_items": (uuid4(), items, "too red"),
        "request_refund": (uuid4(), Money(Decimal(sum(n for _, n in chosen)) / 4, EUR), "scratched"),
    }
    getattr(order, deed)(*arguments[deed])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), deeds)
def test_an_order_is_the_fold_of_what_it_recorded(quantities: list[int], wanted: list[tuple[str, Any]]):
    order = an_order(quantities)
    for deed, chosen in [("confirm", []), *wanted]:
        happened = len(order.recorded)
        before = order.folded()
        try:
            do(order, deed, chosen)
        except (IllegalTransition, Refused):
            for line, was in zip(order.lines.all(), before.lines, strict=True):  # whoever asks throws it away
                line.shipped_quantity, line.returned_quantity = was.shipped, was.returned
                line.cancelled_quantity = was.cancelled
        else:
            assert len(order.recorded) == happened + 1
        assert fold(evolve_order, order.recorded) == order.folded()
    assert 0 <= order.refund_due <= order.total
    for line in order.lines.all():
        assert 0 <= line.returned_quantity <= line.shipped_quantity <= line.quantity - line.cancelled_quantity


def test_an_order_goes_all_the_way():
    order = an_order([2, 1])
    for deed, chosen in (
        ("confirm", []), ("ship", [(0, 1)]), ("ship", [(0, 1), (1, 1)]), ("deliver", []), ("return_items", [(0, 1)]),
    ):  # fmt: skip
        do(order, deed, chosen)
    assert (order.status, [line.returned_quantity for line in order.lines.all()]) == ("delivered", [1, 0])
    do(order, "return_items", [(0, 1), (1, 1)])
    states = [fold(evolve_order, order.recorded[:version]) for version in range(1, 8)]
    assert [state.status for state in states if state] == [
        "pending", "confirmed", "partially_shipped", "shipped", "delivered", "delivered", "returned",
    ]  # fmt: skip
    assert sum(event.refund.amount for event in order.recorded if hasattr(event, "refund")) == order.total


def test_an_order_goes_on_as_shipped_when_its_rest_is_cancelled():
    order = an_order([2, 1])
    for deed, chosen in (
        ("confirm", []), ("ship", [(0, 1)]), ("cancel_items", [(1, 1)]), ("cancel_items", [(0, 1)]), ("deliver", []),
    ):  # fmt: skip
        do(order, deed, chosen)
    states = [fold(evolve_order, order.recorded[:version]) for version in range(1, 7)]
    assert [state.status for state in states if state] == [
        "pending", "confirmed", "partially_shipped", "partially_shipped", "shipped", "delivered",
    ]  # fmt: skip
    assert [event.complete for event in order.recorded if isinstance(event, OrderItemsCancelled)] == [False, True]


STEPS = ("authorize", "fail", "succeed", "void", "refund")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 5)), min_size=1, max_size=12))
def test_a_payment_is_the_fold_of_what_it_recorded(wanted: list[tuple[str, int]]):
    payment = Payment(order_id=uuid4(), amount=Decimal("5.00"), currency=EUR)
    for step, amount in wanted:
        arguments = {"authorize": ("auth-1",), "fail": ("r" * 120, ""), "refund": (Decimal(amount), "re-1", uuid4())}
        getattr(payment, step)(*arguments.get(step, ()))
        assert fold(Payment.evolve, payment.recorded) == payment.folded()


def test_what_was_refunded_before_there_were_returns_was_refunded_whole():
    refunded = PaymentRefunded(order_id=uuid4(), amount=Money(Decimal(5), EUR), refund_id="re-1")
    assert Payment.evolve(None, refunded).status == "refunded"


def test_a_reservation_is_restocked_when_all_of_it_is_back():
    order_id = uuid4()

    def some(quantity: int) -> tuple[Allocation, ...]:
        return (Allocation(sku="MUG", warehouse="BER", quantity=quantity),)

    events: list[Event] = [
        InventoryReserved(order_id=order_id, allocations=some(3)),
        InventoryCommitted(order_id=order_id, allocations=some(3)),
        InventoryRestocked(order_id=order_id, allocations=some(1)),
    ]
    place = ("MUG", "BER")
    assert fold(evolve_reservation, events) == Holding("committed", {place: 3}, {"MUG": 1})
    events.append(InventoryRestocked(order_id=order_id, allocations=some(2)))
    assert fold(evolve_reservation, events) == Holding("restocked", {place: 3}, {"MUG": 3})


@pytest.mark.parametrize("evolve", [evolve_order, evolve_reservation])
def test_a_history_that_cannot_have_been_is_refused(evolve: Any):
    with pytest.raises(TypeError, match="cannot follow"):
        evolve(None, OrderConfirmed(order_id=uuid4(), total=Money(Decimal(1), EUR)))


def test_an_event_that_changes_nothing_needs_no_rule():
    order, payment = an_order([1]), Payment(order_id=uuid4(), amount=Decimal(1), currency=EUR)
    payment.authorize("auth-1")
    news = PaymentRefunded(order_id=order.id, amount=order.money, refund_id="re-1")
    held = Holding("held")
    assert evolve_reservation(held, news) is held
    assert evolve_order(order.folded(), news) == order.folded()
    assert Payment.evolve(payment.folded(), OrderConfirmed(order_id=order.id, total=order.money)) == payment.folded()
