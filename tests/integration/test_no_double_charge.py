"""The card processor acted and its answer never came; then people repair, twice and at once. One charge, one refund.

The processor is the real sandbox, over HTTP; its own books are what counts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from events.dead_letters import repair as deliveries
from events.delivery.relay import Relay
from events.models import Delivery, StoredEvent
from events.testing import drain
from inventory.models import Product, Stock, Warehouse
from orderproject.stack.ports import HOST, free_port
from orderproject.stack.probes import answers_http
from orderproject.stack.processes import Process, ProcessSpec
from orders.models import Order
from orders.services import Placement, Wanted, place, request_cancellation
from payments import gateways
from payments.gateways import BREAKER
from payments.models import Payment, Refund
from sagas.engine.cohorts import decide_next
from sagas.engine.sweep import sweep
from sagas.models import SagaRun, SagaStep
from sagas.operations import repair
from sagas.operations.repair import NotRepairable
from tests.acceptance.shop import ADDRESS
from tests.integration.mail import Mail
from tests.integration.test_sagas import all_late

pytestmark = pytest.mark.django_db(transaction=True)
PRICE = Decimal("10.00")


@dataclass(frozen=True)
class Bank:
    """The sandbox as a process of its own."""

    url: str

    def acts_and_hangs(self, *, on: bool) -> None:
        """It does what it is asked, and never says so."""
        self._ask("/control/act-then-hang", {"on": on})

    def charges(self, order_id: UUID) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask(f"/v1/authorizations?reference={order_id}")["authorizations"]
        return found

    def done(self, kind: str) -> list[dict[str, Any]]:
        """One row per idempotency key under which it was asked."""
        return [row for row in self._ask("/v1/operations")["operations"] if row["kind"] == kind and row["status"]]

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def bank(settings: Any, tmp_path: Path) -> Iterator[Bank]:
    port = free_port()
    program = (sys.executable, "-m", "payments.sandbox")
    argv = (*program, "--host", HOST, "--port", str(port), "--data", str(tmp_path / "bank"))
    process = Process(ProcessSpec("sandbox", argv, ready=answers_http(port, "/healthz")), tmp_path / "sandbox.log")
    process.start()
    settings.PAYMENT_GATEWAY_URL = f"http://{HOST}:{port}"
    settings.PAYMENT_GATEWAY_TIMEOUT = 0.25
    forget_gateways()
    try:
        process.wait_ready()
        yield Bank(settings.PAYMENT_GATEWAY_URL)
    finally:
        process.stop()
        forget_gateways()


def forget_gateways() -> None:
    """The next call opens one to where the settings then say."""
    while gateways._gateways:
        loop, gateway = gateways._gateways.popitem()
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(gateway.aclose(), loop).result(5)


@pytest.fixture
def order(bank: Bank) -> Order:
    product = Product.objects.create(sku="MUG-RED", name="Mug", price=PRICE)
    warehouse = Warehouse.objects.create(code="W1", name="1", priority=1)
    Stock.objects.create(product=product, warehouse=warehouse, on_hand=5)
    return place(Placement(uuid4(), "EUR", "ada@example.com", "tok_visa", ADDRESS, [Wanted("MUG-RED", 1)]))


def work_off(mail: Mail) -> None:
    """All that waits, at once and each message twice."""
    while messages := mail.messages():
        at_once(*[partial(mail.app.tasks[task], *args) for task, args in [*messages, *messages]])
        decide_next(list(SagaRun.objects.values_list("id", flat=True)))


def at_once(*deeds: Callable[[], object]) -> list[BaseException]:
    """Each in a thread of its own; what they raise."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(deeds))

    def do(deed: Callable[[], object]) -> None:
        start.wait()
        try:
            deed()
        except NotRepairable as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def go_on(mail: Mail, until: Callable[[], bool]) -> None:
    """As time passes: what failed is asked again, by two sweeps at once."""
    for _ in range(40):
        work_off(mail)
        if until():
            return
        BREAKER.forget()  # not what this is about
        all_late()
        at_once(sweep, sweep)
    raise AssertionError(list(SagaStep.objects.values()))


def begin(mail: Mail, *, but: str) -> None:
    """As far as the step that is named."""
    drain(losing={but})


def run() -> SagaRun:
    return SagaRun.objects.latest("id")


def state_is(state: str) -> Callable[[], bool]:
    return lambda: run().state == state


def stuck_refund(mail: Mail, bank: Bank) -> SagaRun:
    """Captured and refunded, and neither is known here: every answer got lost."""
    begin(mail, but="payments.capture_payment")
    bank.acts_and_hangs(on=True)
    all_late()
    sweep()
    go_on(mail, state_is("stuck"))
    bank.acts_and_hangs(on=False)
    return run()


def assert_charged_and_refunded_once(bank: Bank, order: Order) -> None:
    (charge,) = bank.charges(order.id)
    assert (charge["status"], charge["amount"], charge["refunded"]) == ("captured", "10.00", "10.00")
    assert len(bank.done("capture")) == len(bank.done("refund")) == 1


def events_of(order: Order) -> list[str]:
    found = StoredEvent.objects.filter(stream=f"payment:{order.id}").order_by("position")
    return [type_.partition(".")[2] for type_ in found.values_list("type", flat=True)]


def test_a_stuck_refund_that_two_people_retry_at_once_is_made_once(mail: Mail, bank: Bank, order: Order):
    stuck = stuck_refund(mail, bank)
    assert_charged_and_refunded_once(bank, order)  # the processor's books; ours know nothing of it
    assert not Refund.objects.exists()
    refused = at_once(*[partial(repair.retry, stuck.id, actor=name) for name in ("ada", "bob", "cyd")])
    assert len(refused) == 2
    go_on(mail, state_is("undone"))
    assert_charged_and_refunded_once(bank, order)
    assert Refund.objects.count() == 1
    assert events_of(order) == ["authorized", "refund_failed", "refunded"]
    assert Order.objects.get().status == "cancelled"


def test_a_stuck_refund_that_is_retried_while_answers_still_get_lost_is_made_once(mail: Mail, bank: Bank, order: Order):
    stuck = stuck_refund(mail, bank)
    bank.acts_and_hangs(on=True)
    repair.retry(stuck.id, actor="ada")
    go_on(mail, state_is("stuck"))
    bank.acts_and_hangs(on=False)
    repair.retry(stuck.id, actor="ada")
    go_on(mail, state_is("undone"))
    assert_charged_and_refunded_once(bank, order)


def test_a_refund_that_was_settled_by_hand_is_not_asked_for_again(mail: Mail, bank: Bank, order: Order):
    stuck = stuck_refund(mail, bank)
    (asked,) = [row["requests"] for row in bank.done("refund")]
    repair.skip(stuck.id, "capture_payment", actor="ada", reason="it is in their books")
    go_on(mail, state_is("undone"))
    assert [row["requests"] for row in bank.done("refund")] == [asked]
    assert_charged_and_refunded_once(bank, order)
    assert Order.objects.get().status == "cancelled"


def test_a_capture_without_an_answer_that_is_compensated_is_refunded_once(mail: Mail, bank: Bank, order: Order):
    begin(mail, but="payments.capture_payment")
    bank.acts_and_hangs(on=True)
    all_late()
    sweep()
    work_off(mail)
    bank.acts_and_hangs(on=False)
    refused = at_once(*[partial(repair.compensate, run().id, actor=name) for name in ("ada", "bob")])
    assert len(refused) <= 1
    go_on(mail, state_is("undone"))
    assert_charged_and_refunded_once(bank, order)
    assert Order.objects.get().status == "cancelled"


def test_a_capture_without_an_answer_that_is_asked_again_is_made_once(mail: Mail, bank: Bank, order: Order):
    begin(mail, but="payments.capture_payment")
    bank.acts_and_hangs(on=True)
    all_late()
    sweep()
    work_off(mail)
    bank.acts_and_hangs(on=False)
    go_on(mail, state_is("done"))
    (charge,) = bank.charges(order.id)
    assert (charge["status"], charge["refunded"]) == ("captured", "0")
    assert len(bank.done("capture")) == 1
    assert bank.done("refund") == []
    assert Order.objects.get().status == "confirmed"


def test_an_authorization_without_an_answer_is_let_go_once(mail: Mail, bank: Bank, order: Order):
    begin(mail, but="payments.authorize_payment")
    bank.acts_and_hangs(on=True)
    all_late()
    sweep()
    go_on(mail, state_is("stuck"))
    bank.acts_and_hangs(on=False)
    assert len(at_once(*[partial(repair.retry, run().id, actor=name) for name in ("ada", "bob")])) == 1
    go_on(mail, state_is("undone"))
    (charge,) = bank.charges(order.id)
    assert charge["status"] == "voided"
    assert len(bank.done("authorize")) == len(bank.done("void_key")) == 1
    assert bank.done("capture") == []
    assert Payment.objects.get().status == "voided"
    assert events_of(order)[-1] == "voided"


def test_the_refund_of_a_cancelled_order_that_is_stuck_and_retried_is_made_once(mail: Mail, bank: Bank, order: Order):
    begin(mail, but="")
    assert Order.objects.get().status == "confirmed"
    request_cancellation(order.id, reason="changed my mind")
    bank.acts_and_hangs(on=True)
    Relay().pump()
    go_on(mail, state_is("stuck"))
    bank.acts_and_hangs(on=False)
    assert len(at_once(*[partial(repair.retry, run().id, actor=name) for name in ("ada", "bob")])) == 1
    go_on(mail, state_is("done"))
    assert_charged_and_refunded_once(bank, order)
    assert Refund.objects.count() == 1


def test_a_dead_delivery_that_two_people_retry_starts_one_saga_and_charges_once(mail: Mail, bank: Bank, order: Order):
    starting = Delivery.objects.get(subscriber="orders.PlaceOrder")
    Delivery.objects.filter(id=starting.id).update(state="dead", attempts=8)
    at_once(*[partial(deliveries.retry, [starting.id], actor=name) for name in ("ada", "bob")])
    at_once(Relay().pump, Relay().pump)
    deliveries.retry([starting.id], actor="ada")
    at_once(Relay().pump, Relay().pump)
    go_on(mail, state_is("done"))
    assert SagaRun.objects.count() == 1
    (charge,) = bank.charges(order.id)
    assert charge["status"] == "captured"
    assert len(bank.done("authorize")) == len(bank.done("capture")) == 1
