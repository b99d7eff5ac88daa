"""Random walks over everything that staff and customers may do with orders, with the real sagas, while these run.

From wherever a walk stops, each order comes to an end, and then money and goods add up: paid - refunded = kept, and
held + on hand + shipped = bought, by the processor's books and by the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from events import Money
from events.log.verify import differences
from events.testing import Broker
from inventory.models import Product, Stock, Warehouse
from orders.events import Goods
from orders.fulfilment.returns import returnable
from orders.fulfilment.service import deliver, request_refund, return_items, ship, shippable
from orders.models import Order, OrderLine, Status
from orders.services import Placement, Wanted, place, request_cancellation
from payments.gateway.memory import InProcessGateway
from payments.models import Payment
from sagas.models import SagaRun
from sagas.testing import drain
from tests.integration.api import ADDRESS

BOUGHT = {"BER": 3, "RTM": 4}
"""Of each product, by warehouse."""
PRICES = (Decimal("9.90"), Decimal("34.50"))
ENDS = {Status.CANCELLED, Status.DELIVERED, Status.RETURNED}
SHIPPING = {Status.CONFIRMED, Status.PARTIALLY_SHIPPED}
PAID = {*SHIPPING, Status.SHIPPED, Status.DELIVERED, Status.RETURNED}
which = st.integers(0, 9)


@dataclass
class Walked:
    """What the test itself knows of an order: what was paid for, what came back, and what is to be refunded."""

    id: UUID
    total: Decimal
    due: Decimal = Decimal(0)
    gone: dict[str, int] = field(default_factory=dict)
    """What of each product is with the customer, or was promised to him."""

    @property
    def order(self) -> Order:
        return Order.objects.prefetch_related("lines").get(id=self.id)

    def owe(self, amount: Decimal) -> None:
        self.due = min(self.total, self.due + amount)

    def take_back(self, chosen: list[tuple[OrderLine, int]]) -> None:
        for line, quantity in chosen:
            self.gone[line.sku] -= quantity
            self.owe(line.unit_price * quantity)


class Walk(RuleBasedStateMachine):
    processor: InProcessGateway

    @initialize()
    def open_shop(self) -> None:
        self.orders: list[Walked] = []
        self.skus = [f"SKU-{uuid4()}" for _ in PRICES]
        for sku, price in zip(self.skus, PRICES, strict=True):
            product = Product.objects.create(sku=sku, name=sku, price=price)
            for warehouse, quantity in BOUGHT.items():
                Stock.objects.create(product=product, warehouse_id=warehouse, on_hand=quantity)
        self._place((2, 2), "tok_visa")
        drain()

    # --- what may be done --------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.orders) < 3)
    @rule(
        quantities=st.tuples(st.integers(1, 5), st.integers(1, 3)),
        token=st.sampled_from(["tok_visa"] * 4 + ["tok_declined", "tok_capture_fails"]),
    )
    def place(self, quantities: tuple[int, ...], token: str) -> None:
        self._place(quantities, token)

    def _place(self, quantities: tuple[int, ...], token: str) -> None:
        wanted = [Wanted(sku, quantity) for sku, quantity in zip(self.skus, quantities, strict=True)]
        order = place(Placement(uuid4(), "EUR", "ada@example.com", token, ADDRESS, wanted))
        gone = dict(zip(self.skus, quantities, strict=True))
        self.orders.append(Walked(order.id, order.total, gone=gone))

    @rule()
    def work(self) -> None:
        """The workers do all that is due."""
        drain()

    @precondition(lambda self: self._fitting({Status.PENDING, *SHIPPING}))
    @rule(at=which)
    def cancel(self, at: int) -> None:
        if walked := self._one(at, {Status.PENDING, *SHIPPING}):
            self._cancel(walked)

    @precondition(lambda self: self._fitting({Status.PARTIALLY_SHIPPED}))
    @rule(at=which, data=st.data())
    def cancel_items(self, at: int, data: st.DataObject) -> None:
        if walked := self._one(at, {Status.PARTIALLY_SHIPPED}):
            chosen = self._some(data, shippable(walked.order))
            request_cancellation(walked.id, reason="sold out", items=_goods(chosen))
            walked.take_back(chosen)

    @precondition(lambda self: self._fitting(SHIPPING))
    @rule(at=which, data=st.data())
    def ship(self, at: int, data: st.DataObject) -> None:
        if walked := self._one(at, SHIPPING):
            chosen = self._some(data, shippable(walked.order))
            ship(walked.id, _goods(chosen), carrier="DHL", tracking_number="1")

    @precondition(lambda self: self._fitting({Status.SHIPPED}))
    @rule(at=which)
    def deliver(self, at: int) -> None:
        if walked := self._one(at, {Status.SHIPPED}):
            deliver(walked.id)

    @precondition(lambda self: self._fitting({Status.DELIVERED}))
    @rule(at=which, data=st.data())
    def take_back(self, at: int, data: st.DataObject) -> None:
        if walked := self._one(at, {Status.DELIVERED}):
            chosen = self._some(data, returnable(walked.order))
            return_items(walked.id, _goods(chosen), reason="too red")
            walked.take_back(chosen)

    @precondition(lambda self: self._fitting(PAID))
    @rule(at=which, cents=st.integers(1, 3000))
    def refund(self, at: int, cents: int) -> None:
        walked = self._one(at, PAID)
        if walked and (amount := min(Decimal(cents) / 100, walked.total - walked.due)):
            request_refund(walked.id, Money(amount, "EUR"), reason="goodwill")
            walked.owe(amount)

    def _one(self, at: int, statuses: set[Status]) -> Walked | None:
        fitting = self._fitting(statuses)
        return fitting[at % len(fitting)] if fitting else None

    def _fitting(self, statuses: set[Status]) -> list[Walked]:
        return [one for one in self.orders if one.order.status in statuses]

    def _some(self, data: st.DataObject, most: dict[OrderLine, int]) -> list[tuple[OrderLine, int]]:
        """At least one piece of these lines."""
        drawn = data.draw(st.tuples(*(st.integers(0, quantity) for quantity in most.values())).filter(any))
        return [(line, quantity) for line, quantity in zip(most, drawn, strict=True) if quantity]

    def _cancel(self, walked: Walked) -> None:
        before = walked.order
        request_cancellation(walked.id, reason="by mistake")
        if before.status == Status.PARTIALLY_SHIPPED:
            walked.take_back(list(shippable(before).items()))
        elif before.status == Status.CONFIRMED:
            walked.owe(walked.total)

    # --- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def no_more_is_promised_than_there_is(self) -> None:
        for walked in getattr(self, "orders", []):
            order = walked.order
            assert order.refund_due <= order.total
            for line in order.lines.all():
                assert line.returned_quantity <= line.shipped_quantity <= line.quantity - line.cancelled_quantity

    def teardown(self) -> None:
        """From wherever the walk stopped, each order comes to an end, whatever fails; and everything adds up."""
        if not getattr(self, "orders", []):
            return
        drain(through_retries=True)
        self._all_adds_up()
        for walked in self.orders:
            if walked.order.status in SHIPPING:
                self._cancel(walked)
            if walked.order.status == Status.SHIPPED:
                deliver(walked.id)
            assert walked.order.status in ENDS
        drain(through_retries=True)
        self._all_adds_up()
        assert list(differences()) == []

    def _all_adds_up(self) -> None:
        ids = [walked.id for walked in self.orders]
        runs = SagaRun.objects.filter(subject__in=ids).exclude(state__in=["done", "undone"])
        assert list(runs.values_list("saga", "state")) == []
        for walked in self.orders:
            self._money_adds_up(walked)
        for sku in self.skus:
            self._goods_add_up(sku)

    def _money_adds_up(self, walked: Walked) -> None:
        captured = [row for row in self.processor.ledger.authorizations(str(walked.id)) if row.status == "captured"]
        paid = sum((Decimal(row.amount) for row in captured), Decimal(0))
        refunded = sum((Decimal(row.refunded) for row in captured), Decimal(0))
        kept = Decimal(0) if walked.order.status == Status.CANCELLED else walked.total - walked.due
        assert paid - refunded == kept
        for payment in Payment.objects.filter(order_id=walked.id):
            assert payment.refunded == refunded

    def _goods_add_up(self, sku: str) -> None:
        stock = Stock.objects.filter(product_id=sku)
        held, on_hand = (sum(stock.values_list(name, flat=True)) for name in ("held", "on_hand"))
        sold = sum(one.gone[sku] for one in self.orders if one.order.status != Status.CANCELLED)
        assert (held, on_hand + sold) == (0, sum(BOUGHT.values()))
        assert all(shelf.on_hand <= BOUGHT[shelf.warehouse_id] for shelf in stock)


def _goods(chosen: list[tuple[OrderLine, int]]) -> list[Goods]:
    return [Goods(sku=line.sku, quantity=quantity) for line, quantity in chosen]


@pytest.mark.django_db(transaction=True)
def test_every_walk_comes_to_an_end_and_everything_adds_up(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    processor = InProcessGateway(timeout=0.2)
    monkeypatch.setattr("payments.steps.gateway", lambda: processor)
    for number, code in enumerate(BOUGHT):
        Warehouse.objects.create(code=code, name=code, priority=number)
    how = settings(
        max_examples=6, stateful_step_count=14, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    walk: Any = type("Walk", (Walk,), {"processor": processor})
    run_state_machine_as_test(walk, settings=how)
