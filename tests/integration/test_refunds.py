"""A refund that fails or is stuck: the event, the order over the API, the lists and pages of the admin."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from events.log.append import read
from events.log.verify import differences
from events.models import StoredEvent
from notifications.webhooks.fan_out import event_types
from orderproject.models import User
from orders.events import Goods
from orders.fulfilment.service import deliver, return_items, ship
from orders.models import Order
from orders.services import request_cancellation
from payments.gateway.memory import InProcessGateway
from sagas.models import SagaRun
from sagas.operations import repair
from sagas.testing import drain, expect_saga
from tests.integration.api import BASE, ORDERS, client_of, place, product, user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
TOTAL = {"amount": "19.80", "currency": "EUR"}


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> InProcessGateway:
    one = InProcessGateway(timeout=0.2)
    monkeypatch.setattr("payments.steps.gateway", lambda: one)
    return one


@pytest.fixture(autouse=True)
def _rows_are_what_their_streams_say() -> Iterator[None]:
    product("MUG-RED")
    yield
    assert list(differences()) == []


@pytest.fixture
def ada() -> APIClient:
    return client_of(user("ada"))


def confirmed(client: APIClient) -> UUID:
    order_id = UUID(place(client).json()["id"])
    drain()
    assert Order.objects.get(id=order_id).status == "confirmed"
    return order_id


def payment(client: APIClient, order_id: UUID) -> Any:
    """The same from the order itself and from the list."""
    alone = client.get(f"{ORDERS}{order_id}/").json()["payment"]
    (listed,) = client.get(ORDERS).json()["results"]
    assert listed["payment"] == alone
    return alone


def refuse_refunds(processor: InProcessGateway, order_id: UUID, refunded: str = "19.80") -> None:
    """As if somebody had refunded so much on the processor's own page."""
    (row,) = processor.ledger.authorizations(str(order_id))
    processor.ledger.set_refunded(row.id, Decimal(refunded))


def failed(client: APIClient, processor: InProcessGateway) -> UUID:
    order_id = confirmed(client)
    refuse_refunds(processor, order_id)
    request_cancellation(order_id, reason="by mistake")
    expect_saga("CancelOrder", order_id, ends="stuck", through_retries=True)
    return order_id


def texts(letter: Any) -> tuple[str, str]:
    """The plain text and the HTML."""
    return letter.body, letter.alternatives[0][0]


def stuck_run() -> SagaRun:
    return SagaRun.objects.get(state="stuck")


def test_a_cancelled_order_says_that_its_refund_is_pending(ada: APIClient):
    order_id = confirmed(ada)
    assert payment(ada, order_id) == {"status": "succeeded", "reason": None}
    request_cancellation(order_id, reason="by mistake")
    pending = {"status": "succeeded", "reason": None, "refund": {"status": "pending", "amount": TOTAL}}
    assert payment(ada, order_id) == pending
    assert Order.objects.get().refund_status == "pending"
    drain()
    assert payment(ada, order_id)["refund"] == {"status": "succeeded", "amount": TOTAL}
    assert Order.objects.get().refund_status == "succeeded"
    before = ada.get(f"{ORDERS}{order_id}/?atVersion=2").json()
    assert "refund" not in before["payment"]


def test_a_refund_that_fails_is_an_event_and_the_order_says_so(ada: APIClient, processor: InProcessGateway):
    order_id = failed(ada, processor)
    (event,) = StoredEvent.objects.filter(type="payment.refund_failed")
    assert event.data == {
        "orderId": str(order_id), "amount": TOTAL, "part": str(order_id), "reason": "refund_exceeds_captured",
        "detail": event.data["detail"],
    }  # fmt: skip
    cancelled = StoredEvent.objects.get(type="order.cancelled")
    assert (event.stream, event.causation_id) == (f"payment:{order_id}", str(cancelled.event_id))
    assert payment(ada, order_id) == {
        "status": "succeeded", "reason": None, "refund": {"status": "failed", "amount": TOTAL},
    }  # fmt: skip
    assert Order.objects.get().refund_status == "failed"


def test_once_an_operator_has_retried_it_everything_reads_succeeded(ada: APIClient, processor: InProcessGateway):
    order_id = failed(ada, processor)
    tag = ada.get(f"{ORDERS}{order_id}/")["ETag"]
    refuse_refunds(processor, order_id, refunded="0")
    repair.retry(stuck_run().id, actor="boss")
    drain()
    assert payment(ada, order_id) == {
        "status": "refunded", "reason": None, "refund": {"status": "succeeded", "amount": TOTAL},
    }  # fmt: skip
    assert Order.objects.get().refund_status == "succeeded"
    assert ada.get(f"{ORDERS}{order_id}/")["ETag"] != tag


def test_one_that_fails_again_is_told_again(ada: APIClient, processor: InProcessGateway):
    order_id = failed(ada, processor)
    repair.retry(stuck_run().id, actor="boss")
    drain(through_retries=True)
    assert StoredEvent.objects.filter(type="payment.refund_failed").count() == 2
    assert payment(ada, order_id)["refund"] == {"status": "failed", "amount": TOTAL}


def test_what_an_operator_refunded_by_hand_is_told_too(ada: APIClient, processor: InProcessGateway):
    order_id = failed(ada, processor)
    repair.skip(stuck_run().id, "refund_payment", actor="boss", reason="refunded at the processor's page")
    drain()
    assert payment(ada, order_id)["refund"] == {"status": "succeeded", "amount": TOTAL}
    last = read([f"payment:{order_id}"])[-1]
    assert (last.type, last.data["refundId"], last.actor) == ("payment.refunded", "", "boss")


def test_an_order_that_cannot_be_undone_says_so_until_it_is(ada: APIClient, processor: InProcessGateway):
    """Nothing is left on the shelf, and at the processor the money was taken and refunded without our knowing."""
    order_id = UUID(place(ada, ("MUG-RED", 101)).json()["id"])
    drain(losing={"inventory.hold_stock"})
    (row,) = processor.ledger.authorizations(str(order_id))
    processor.ledger.set_status(row.id, "captured")
    refuse_refunds(processor, order_id, refunded="999.90")
    run = expect_saga("PlaceOrder", order_id, ends="stuck", through_retries=True)
    assert run.steps["authorize_payment"].state == "stuck"
    held = {"amount": "999.90", "currency": "EUR"}
    assert payment(ada, order_id) == {
        "status": "authorized", "reason": None, "refund": {"status": "failed", "amount": held},
    }  # fmt: skip
    assert Order.objects.get().refund_status == "failed"
    refuse_refunds(processor, order_id, refunded="0")
    repair.retry(stuck_run().id, actor="boss")
    expect_saga("PlaceOrder", order_id, ends="undone", through_retries=True)
    assert payment(ada, order_id)["refund"] == {"status": "succeeded", "amount": held}
    assert Order.objects.get().refund_status in {"", "succeeded"}


def test_an_action_that_cannot_record_it_leaves_the_run_stuck_all_the_same(
    ada: APIClient, processor: InProcessGateway, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr("payments.models.Payment.fail_refund", broken)
    failed(ada, processor)
    assert not StoredEvent.objects.filter(type="payment.refund_failed").exists()


def test_customers_are_told_that_they_will_get_it_and_that_they_have_it(ada: APIClient, processor: InProcessGateway):
    order_id = failed(ada, processor)
    cancelled = mail.outbox[-1]
    assert cancelled.subject.endswith("was cancelled")
    for text in texts(cancelled):
        assert "will be refunded to the card" in text
        assert "19.80 EUR" in text
    refuse_refunds(processor, order_id, refunded="0")
    repair.retry(stuck_run().id, actor="boss")
    drain()
    assert [one.subject.rpartition(" ")[2] for one in mail.outbox] == ["confirmed", "cancelled", "refunded"]
    for text in texts(mail.outbox[-1]):
        assert "19.80 EUR" in text


def test_a_mail_about_a_cancellation_that_comes_late_promises_nothing(ada: APIClient):
    order_id = confirmed(ada)
    request_cancellation(order_id, reason="by mistake")
    drain(losing={"notifications.mail_cancellation"})
    assert payment(ada, order_id)["status"] == "refunded"
    drain(through_retries=True)
    (cancelled,) = [one for one in mail.outbox if one.subject.endswith("was cancelled")]
    assert "19.80 EUR has been refunded to the card" in cancelled.body
    assert "will be" not in cancelled.body


def test_one_that_was_never_paid_costs_nothing(ada: APIClient):
    place(ada, paymentToken="tok_declined")
    drain()
    (cancelled,) = mail.outbox
    assert "You are not charged." in cancelled.body


def test_webhooks_can_subscribe_to_it(ada: APIClient, processor: InProcessGateway):
    assert "payment.refund_failed" in event_types()
    new = {"url": "https://example.com/hook", "eventTypes": ["payment.refund_failed"], "description": ""}
    assert ada.post(f"{BASE}webhooks/", new).status_code == 201


def test_the_admin_never_shows_it_as_finished(ada: APIClient, processor: InProcessGateway, client: Client):
    client.force_login(User.objects.create_superuser("boss", "boss@example.com", "boss"))
    order_id = failed(ada, processor)
    page = client.get(reverse("admin:orders_order_change", args=[order_id])).content.decode()
    assert "refund failed" in page
    assert "refund_exceeds_captured" in page
    assert "payment.refund_failed" in page
    response = client.get(reverse("admin:index"))
    tiles = {tile.title: tile for tile in response.context["troubles"]}
    assert (tiles["Refunds failed"].number, tiles["Refunds failed"].alarm) == (1, True)
    assert (tiles["Refunds pending"].number, tiles["Refunds pending"].alarm) == (0, False)
    listed = client.get(tiles["Refunds failed"].url)
    assert [order.id for order in listed.context["cl"].result_list] == [order_id]
    assert ">failed<" in "".join(listed.content.decode().split())


def test_orders_from_before_know_what_they_owe(ada: APIClient):
    """The migration fills the new columns; the fixture compares them with the log."""
    cancelled, returned, kept = (confirmed(ada) for _ in range(3))
    request_cancellation(cancelled, reason="by mistake")
    drain()
    ship(returned, [Goods(sku="MUG-RED", quantity=2)], carrier="DHL", tracking_number="1")
    deliver(returned)
    return_items(returned, [Goods(sku="MUG-RED", quantity=1)], reason="too red")
    Order.objects.unrecorded().update(refund_due=0, refund_status="")
    with connection.cursor() as cursor:
        cursor.execute(import_module("orders.migrations.0007_refunds").FILL)
    rows = Order.objects.values_list("id", "refund_due", "refund_status")
    assert {id_: (f"{due:.2f}", status) for id_, due, status in rows} == {
        cancelled: ("19.80", "succeeded"), returned: ("9.90", "pending"), kept: ("0.00", ""),
    }  # fmt: skip
