"""What people write is text, and one line of it: never a code, and never a line of a mail or of a log."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client
from rest_framework.test import APIClient

from desk.one_line import validate_one_line
from events.log.verify import differences
from events.models import StoredEvent
from inventory.models import Product, Warehouse
from orderproject.models import User
from orders.models import Order
from payments.gateway.memory import InProcessGateway
from sagas.models import SagaRun
from sagas.testing import drain
from tests.integration.api import ADDRESS, BASE, assert_problem, client_of, place, product, user

FORGED = ["Ada\nTotal  0.00 EUR", "Ada\r", "Ada\x1b[31m", "Ada\x85", "Ada\u2028", "Ada\u202eevil", "\x7f", "\tAda"]
ONE_MUG = [{"sku": "MUG-RED", "quantity": 1}]
BANK = "your card was declined"


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> InProcessGateway:
    one = InProcessGateway(timeout=0.2)
    monkeypatch.setattr("payments.steps.gateway", lambda: one)
    return one


@pytest.fixture
def everybody(db: None) -> APIClient:
    """May do everything that staff may."""
    return client_of(user("root", is_staff=True, is_superuser=True))


# --- text is no code ------------------------------------------------------------------------------------------


def cancelled_mail() -> str:
    drain(through_retries=True)
    assert list(differences()) == []
    (letter,) = [one for one in mail.outbox if "was cancelled" in one.subject]
    return str(letter.body)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("confirmed", [True, False])
@pytest.mark.parametrize("reason", ["card_declined", "out_of_stock", "cancellation_requested"])
def test_a_customers_reason_is_mailed_as_it_was_written(confirmed: bool, reason: str) -> None:
    product()
    client = client_of(user())
    url = place(client)["Location"]
    drain(losing=() if confirmed else {"payments.authorize_payment"})
    assert client.post(f"{url}cancel/", {"reason": reason}).status_code == 202
    letter = cancelled_mail()
    assert f"was cancelled: {reason}" in letter
    assert BANK not in letter
    order = Order.objects.get()
    assert (order.cancel_reason, order.cancel_code) == (reason, "")
    assert client.get(url).json()["cancelReason"] == reason
    event = StoredEvent.objects.get(type="order.cancelled")
    assert (event.data["reason"], event.data.get("code", "")) == (reason, "")
    run = SagaRun.objects.get(saga="PlaceOrder")
    assert (run.reason_code, run.reason) == (("", "") if confirmed else ("cancellation_requested", reason))
    for released in StoredEvent.objects.filter(type="inventory.released"):
        assert released.data["reason"] == "cancellation_requested"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_the_banks_reason_is_still_told() -> None:
    product()
    place(client_of(user()), paymentToken="tok_declined")
    assert BANK in cancelled_mail()
    order = Order.objects.get()
    assert (order.cancel_reason, order.cancel_code) == ("card_declined", "card_declined")
    assert StoredEvent.objects.get(type="order.cancelled").data["code"] == "card_declined"


# --- text is one line -----------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("field", ["name", "line1", "city", "postalCode"])
def test_an_address_is_one_line_a_field(field: str, forged: str) -> None:
    product()
    answer = place(client_of(user()), shippingAddress={**ADDRESS, field: forged})
    problem = assert_problem(answer, 400, "invalid", f"#/shippingAddress/{field}")
    assert problem["errors"][0]["detail"].startswith("Remove line breaks and control characters")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        "Zo\u00eb O\u2019Brien",
        "\u0639\u0627\u0626",
        "\u5c71\u3000\u592a",
        "No\u00a0break",
        "\U0001f469\u200d\U0001f469",
    ],
)
def test_names_of_people_are_taken(name: str) -> None:
    product()
    assert place(client_of(user()), shippingAddress={**ADDRESS, "name": name}).status_code == 201


@pytest.mark.parametrize("forged", FORGED[:1])
@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("products/", {"sku": "CUP", "price": {"amount": "1", "currency": "EUR"}}, "#/name"),
        ("stock/adjust/", {"sku": "MUG-RED", "warehouse": "BER", "delta": 1}, "#/reason"),
        ("orders/{order}/cancel/", {}, "#/reason"),
        ("orders/{order}/returns/", {"items": ONE_MUG}, "#/reason"),
        ("returns/{order}/reject/", {}, "#/reason"),
        ("orders/{order}/shipments/", {"items": ONE_MUG, "trackingNumber": "1"}, "#/carrier"),
        ("orders/{order}/shipments/", {"items": ONE_MUG, "carrier": "DHL"}, "#/trackingNumber"),
        ("webhooks/", {"url": "https://example.com/", "eventTypes": ["order.*"]}, "#/description"),
        ("sagas/{order}/skip/", {"step": "hold_stock"}, "#/reason"),
        ("dead-letters/discard/", {"ids": ["{order}"]}, "#/reason"),
    ],
)  # fmt: skip
def test_the_api_takes_one_line(
    everybody: APIClient, path: str, body: dict[str, Any], pointer: str, forged: str
) -> None:
    product()
    order_id = place(everybody).json()["id"]
    fields = {name: [order_id] if value == ["{order}"] else value for name, value in body.items()}
    headers = {"Idempotency-Key": "k"}
    sent = {**fields, pointer.removeprefix("#/"): forged}
    answer = everybody.post(BASE + path.format(order=order_id), sent, headers=headers)
    problem = assert_problem(answer, 400, "invalid", pointer)
    assert "line breaks" in problem["errors"][0]["detail"]


INVISIBLE = [" ", "\u200b", "\xa0 \xa0", "\u2060\ufeff", "\u3164"]


@pytest.mark.parametrize("blank", INVISIBLE)
def test_what_nobody_can_see_is_no_text(everybody: APIClient, blank: str) -> None:
    product()
    url, other = place(everybody)["Location"], f"{BASE}stock/adjust/"
    assert_problem(everybody.post(f"{url}cancel/", {"reason": blank}), 400, "invalid", "#/reason")
    adjustment = {"sku": "MUG-RED", "warehouse": "BER", "delta": 1, "reason": blank}
    assert_problem(everybody.post(other, adjustment), 400, "invalid", "#/reason")
    new = {"sku": "CUP", "name": blank, "price": {"amount": "1.00", "currency": "EUR"}}
    assert_problem(everybody.post(f"{BASE}products/", new), 400, "invalid", "#/name")
    assert_problem(place(everybody, shippingAddress={**ADDRESS, "city": blank}), 400, "invalid")
    with pytest.raises(ValidationError):
        validate_one_line(blank)


@pytest.mark.parametrize("name", ["Zoë", " Ada ", "क\u200dष", "👩\u200d🚀", "\u200bMug", "日本\u3000橋"])
def test_a_name_may_have_joiners_and_spaces(everybody: APIClient, name: str) -> None:
    product()
    assert place(everybody, shippingAddress={**ADDRESS, "name": name}).status_code == 201
    validate_one_line(name)


def test_an_address_that_was_stored_before_fits_what_the_api_says_of_addresses(everybody: APIClient) -> None:
    product()
    url = place(everybody)["Location"]
    Order.objects.unrecorded().update(shipping_address={**ADDRESS, "name": " "})
    schemas = everybody.get(f"{BASE}schema/?format=json").json()["components"]["schemas"]
    told = schemas["Order"]["properties"]["shippingAddress"]["$ref"].rpartition("/")[2]
    for name, text in everybody.get(url).json()["shippingAddress"].items():
        assert re.search(schemas[told]["properties"][name].get("pattern", ""), text)


def test_the_reason_to_forget_a_customer_is_one_line(everybody: APIClient) -> None:
    path = f"{BASE}customers/{user().id}/forget/"
    for forged in (*FORGED, " "):
        assert_problem(everybody.post(path, {"reason": forged, "dryRun": True}), 400, "invalid", "#/reason")


@pytest.mark.parametrize("forged", FORGED[:3])
@pytest.mark.parametrize(
    ("page", "fields", "field"),
    [
        ("inventory/warehouse/add", {"code": "BER", "priority": "1"}, "name"),
        ("auth/group/add", {}, "name"),
    ],
)
def test_the_admin_takes_one_line(db: None, page: str, fields: dict[str, str], field: str, forged: str) -> None:
    client = Client()
    client.force_login(user("root", is_staff=True, is_superuser=True))
    answer = client.post(f"/admin/{page}/", {**fields, field: f"{forged}x"})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors == {field: ["Remove line breaks and control characters."]}
    assert not Warehouse.objects.exists()


def test_the_admin_takes_one_line_as_the_name_of_a_user_and_of_a_product(db: None) -> None:
    client = Client()
    root = user("root", is_staff=True, is_superuser=True)
    client.force_login(root)
    answer = client.post(f"/admin/orderproject/user/{root.pk}/change/", {"username": "root", "first_name": "A\nB"})
    assert "first_name" in answer.context["adminform"].form.errors
    product()
    answer = client.post("/admin/inventory/product/MUG-RED/change/", {"name": "A\nB"})
    assert "name" in answer.context["adminform"].form.errors
    assert Product.objects.get().name == "Mug-Red"
    assert User.objects.get(pk=root.pk).first_name == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_a_name_that_was_stored_before_begins_no_line_of_a_mail() -> None:
    product(name="Mug\n  1 Gold bar  0.00 EUR")
    place(client_of(user()))
    Order.objects.unrecorded().update(shipping_address={**ADDRESS, "name": "Ada,\n\nyour password has expired"})
    drain()
    (letter,) = mail.outbox
    lines = str(letter.body).splitlines()
    assert not [line for line in lines if line.startswith(("your password", "  1 Gold"))]
    assert "Hello Ada, your password has expired," in lines
