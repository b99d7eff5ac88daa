"""Money in every currency, from the catalogue through the card processor to the mail, the admin and the daily sales."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from events.log.verify import differences
from inventory.models import Product, Stock, Warehouse
from orders.models import DailySales, Order
from orders.sales import Sales
from orders.services import request_cancellation
from orders.sql import add_daily_sales
from payments.gateway.memory import InProcessGateway
from payments.models import Payment
from sagas.testing import drain, expect_saga
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, place, product, user

PRODUCTS = f"{BASE}products/"
ADMIN_PRODUCTS = "/admin/inventory/product/"


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> InProcessGateway:
    one = InProcessGateway(timeout=0.2)
    monkeypatch.setattr("payments.steps.gateway", lambda: one)
    return one


@pytest.fixture
def staff(db: None) -> APIClient:
    return client_of(user("staff", "inventory.add_product", "inventory.change_product"))


@pytest.fixture
def superuser(db: None) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user("root", is_staff=True, is_superuser=True))
    return client


def new(amount: str, currency: str) -> dict[str, Any]:
    return {"sku": "MUG-RED", "name": "Mug", "price": {"amount": amount, "currency": currency}}


def form(**changes: str) -> dict[str, str]:
    inline = {f"stock-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    fields = {"sku": "CUP", "name": "Cup", "price": "9.90", "currency": "EUR", "low_stock": "0", "active": "on"}
    return {**fields, **inline, **changes}


# --- what the catalogue takes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "currency", "stored"), [("1200", "JPY", "1200"), ("1.25", "KWD", "1.250"), ("9.9", "EUR", "9.90")]
)
def test_a_price_has_the_decimals_of_its_currency(staff: APIClient, sent: str, currency: str, stored: str) -> None:
    price = {"amount": stored, "currency": currency}
    assert staff.post(PRODUCTS, new(sent, currency)).json()["price"] == price
    assert staff.get(f"{PRODUCTS}MUG-RED/").json()["price"] == price
    assert str(Product.objects.get().price) == stored
    changed = staff.patch(f"{PRODUCTS}MUG-RED/", {"price": {"amount": sent, "currency": currency}})
    assert changed.json()["price"] == price


@pytest.mark.parametrize(
    ("amount", "currency", "status", "pointer"),
    [
        ("9.999", "EUR", 422, "#/price/amount"),
        ("1200.50", "JPY", 422, "#/price/amount"),
        ("1200.00", "JPY", 422, "#/price/amount"),
        ("1.2505", "KWD", 422, "#/price/amount"),
        ("1", "EUX", 422, "#/price/currency"),
        ("1", "XXX", 422, "#/price/currency"),
        ("1", "eur", 400, "#/price/currency"),
    ],
)
def test_the_api_refuses_money_that_does_not_exist(
    staff: APIClient, amount: str, currency: str, status: int, pointer: str
) -> None:
    assert_problem(staff.post(PRODUCTS, new(amount, currency)), status, "invalid", pointer)
    product("MUG-RED")
    change = {"price": {"amount": amount, "currency": currency}}
    assert_problem(staff.patch(f"{PRODUCTS}MUG-RED/", change), status, "invalid", pointer)
    assert Product.objects.get().money.amount == Decimal("9.90")


@pytest.mark.parametrize(
    ("price", "currency", "field"),
    [
        ("9.999", "EUR", "price"),
        ("1200.50", "JPY", "price"),
        ("1200.00", "JPY", "price"),
        ("1.2505", "KWD", "price"),
        ("12345678901", "EUR", "price"),
        ("", "EUR", "price"),
        ("1", "EUX", "currency"),
        ("1", "eur", "currency"),
        ("1", "XXX", "currency"),
    ],
)
def test_the_admin_refuses_the_same(superuser: Client, price: str, currency: str, field: str) -> None:
    answer = superuser.post(f"{ADMIN_PRODUCTS}add/", form(price=price, currency=currency))
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]
    assert not Product.objects.exists()


def test_the_admin_takes_and_shows_every_currency(superuser: Client) -> None:
    for sku, price, currency in [("YEN", "1200", "JPY"), ("DINAR", "1.25", "KWD"), ("EURO", "9.9", "EUR")]:
        answer = superuser.post(f"{ADMIN_PRODUCTS}add/", form(sku=sku, price=price, currency=currency))
        assert answer.status_code == 302, answer.context["adminform"].form.errors
    page = superuser.get(ADMIN_PRODUCTS).content.decode()
    assert "1200 JPY" in page
    assert "1.250 KWD" in page
    assert "9.90 EUR" in page
    assert 'value="1.250"' in superuser.get(f"{ADMIN_PRODUCTS}DINAR/change/").content.decode()


# --- what an order tells --------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("currency", ["EUX", "XAU", "XXX"])
def test_an_order_in_no_currency_is_refused(currency: str) -> None:
    product()
    refused = assert_problem(place(client_of(user()), currency=currency), 422, "invalid", "#/currency")
    assert "ISO 4217" in refused["errors"][0]["detail"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(
    ("currency", "price", "total"), [("JPY", "1200", "2400"), ("KWD", "1.250", "2.500"), ("EUR", "9.90", "19.80")]
)
def test_money_is_told_alike_everywhere(
    processor: InProcessGateway, superuser: Client, currency: str, price: str, total: str
) -> None:
    product(price=f"{price}0" if currency == "EUR" else price, currency=currency)
    client = client_of(user())
    placed = place(client, currency=currency).json()
    assert placed["total"] == {"amount": total, "currency": currency}
    assert placed["items"][0]["unitPrice"] == {"amount": price, "currency": currency}
    assert placed["items"][0]["lineTotal"]["amount"] == total
    order = Order.objects.get()
    expect_saga("PlaceOrder", order.id, ends="done")
    assert [row.amount for row in processor.ledger.authorizations(str(order.id))] == [total]
    request_cancellation(order.id, reason="by mistake")
    drain()
    (refund,) = [one for one in processor.ledger.operations() if one.kind == "refund"]
    assert refund.amount == total
    assert f"Total  {total} {currency}\n" in str(mail.outbox[0].body)
    told = client.get(f"{ORDERS}{order.id}/events/").json()
    amounts = [event["data"].get("total", event["data"].get("amount")) for event in told]
    assert {money["amount"] for money in amounts if money} == {total}
    for page in (f"orders/order/{order.id}/change", f"payments/payment/{order.id}/change", "payments/refund"):
        assert f"{total} {currency}" in superuser.get(f"/admin/{page}/").content.decode(), page
    sales = superuser.get("/admin/orders/dailysales/").content.decode()
    assert sales.count(f"{total} {currency}") == 2
    assert list(differences()) == []


# --- an order that costs nothing ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("token", ["tok_visa", "tok_declined"])
def test_an_order_of_nothing_is_confirmed_without_asking_the_card(processor: InProcessGateway, token: str) -> None:
    product(price="0")
    client = client_of(user())
    url = place(client, paymentToken=token)["Location"]
    drain()
    order = client.get(url).json()
    assert (order["status"], order["payment"]["status"], order["total"]["amount"]) == ("confirmed", "succeeded", "0.00")
    assert "Total  0.00 EUR" in str(mail.outbox[0].body)
    assert processor.ledger.operations() == []
    assert list(differences()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_an_order_of_nothing_can_be_cancelled_without_asking_the_card(processor: InProcessGateway) -> None:
    product(price="0")
    place(client_of(user()))
    drain()
    order = Order.objects.get()
    request_cancellation(order.id, reason="by mistake")
    expect_saga("CancelOrder", order.id, ends="done")
    assert processor.ledger.operations() == []
    assert list(differences()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_an_order_of_nothing_that_is_not_in_stock_is_cancelled(processor: InProcessGateway) -> None:
    product(price="0", stock=1)
    place(client_of(user()))
    drain()
    assert Order.objects.get().status == "cancelled"
    assert Payment.objects.get().status == "voided"
    assert processor.ledger.operations() == []
    assert list(differences()) == []


# --- sums -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_the_dearest_order_is_paid_and_counted(processor: InProcessGateway) -> None:
    skus = [f"GOLD-{number:03}" for number in range(500)]
    warehouse = Warehouse.objects.create(code="BER", name="Berlin")
    Product.objects.bulk_create(Product(sku=sku, name=sku, price=Decimal("9999999999.99")) for sku in skus)
    Stock.objects.bulk_create(Stock(product_id=sku, warehouse=warehouse, on_hand=10_000) for sku in skus)
    client = client_of(user())
    order = place(client, *((sku, 10_000) for sku in skus)).json()
    total = "49999999999950000.00"
    assert order["total"]["amount"] == total
    drain()
    assert client.get(f"{ORDERS}{order['id']}/").json()["status"] == "confirmed"
    assert [row.amount for row in processor.ledger.authorizations()] == [total]
    assert DailySales.objects.live().get().revenue == Decimal(total)


@pytest.mark.django_db
def test_daily_sales_hold_more_than_anybody_sells() -> None:
    most = Sales(confirmed=1, revenue=Decimal("4999999999995000000000000000.125"))
    for _ in range(3):
        add_daily_sales(1, {(date(2026, 1, 15), "KWD"): most})
    assert DailySales.objects.get(build=1).revenue == Decimal("14999999999985000000000000000.375")


@pytest.mark.django_db
def test_no_amount_is_kept_in_a_column_that_rounds_or_overflows() -> None:
    """Every amount of the services, found by its type."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'numeric' AND numeric_precision IS NOT NULL"
        )
        assert cursor.fetchall() == []
