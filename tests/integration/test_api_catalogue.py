"""Staff over HTTP: the catalogue and the stock, changed by those who may, and written down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from desk.actors import name_of
from desk.models import Audit
from events.models import StoredEvent
from inventory.models import Product, Stock, Warehouse
from orderproject.models import User
from tests.integration.api import BASE, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db
PRODUCTS, STOCK, ADJUST = f"{BASE}products/", f"{BASE}stock/", f"{BASE}stock/adjust/"
RIGHTS = ("inventory.add_product", "inventory.change_product", "inventory.view_stock", "inventory.change_stock")
MUG = {"sku": "MUG-RED", "name": "Mug, red", "price": {"amount": "9.90", "currency": "EUR"}}


@pytest.fixture
def keeper() -> User:
    return user("keeper", *RIGHTS)


@pytest.fixture
def staff(keeper: User) -> APIClient:
    return client_of(keeper)


@pytest.fixture
def anyone() -> APIClient:
    return client_of(None)


# --- products --------------------------------------------------------------------------------------------


def test_a_product_is_added_and_for_sale_at_once(staff: APIClient, anyone: APIClient) -> None:
    made = staff.post(PRODUCTS, MUG)
    assert made.status_code == 201
    assert made.json() == {**MUG, "available": 0, "description": "", "active": True, "lowStock": 0}
    assert made["Location"] == f"{PRODUCTS}MUG-RED/"
    read = anyone.get(made["Location"])
    assert read.json() == {**MUG, "available": 0}
    assert read["ETag"] == made["ETag"]
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_kind, line.target_ids) == ("keeper", "create", "product", ["MUG-RED"])


def test_a_sku_is_given_once(staff: APIClient) -> None:
    product("MUG-RED", "5.00")
    assert_problem(staff.post(PRODUCTS, MUG), 409, "conflict")
    assert str(Product.objects.get().price) == "5.00"
    assert not Audit.objects.exists()


def test_a_price_is_changed_for_orders_to_come(staff: APIClient) -> None:
    product("MUG-RED", "9.90")
    before = place(client_of(user()))
    changed = staff.patch(f"{PRODUCTS}MUG-RED/", {"price": {"amount": "11", "currency": "EUR"}, "lowStock": 3})
    assert changed.status_code == 200
    assert changed.json()["price"] == {"amount": "11.00", "currency": "EUR"}
    assert changed["ETag"] == staff.get(f"{PRODUCTS}MUG-RED/")["ETag"]
    assert place(client_of(user())).json()["total"]["amount"] == "22.00"
    assert before.json()["total"]["amount"] == "19.80"
    line = Audit.objects.get()
    assert line.details == {"before": {"price": "9.90", "low_stock": 0}, "after": {"price": "11.00", "low_stock": 3}}


def test_what_stays_the_same_is_not_written_down(staff: APIClient) -> None:
    product("MUG-RED", "9.90", name="Mug, red")
    for body in ({}, {"name": "Mug, red", "price": {"amount": "9.9", "currency": "EUR"}}):
        assert staff.patch(f"{PRODUCTS}MUG-RED/", body).status_code == 200
    assert not Audit.objects.exists()


def test_a_product_is_taken_off_sale_and_back(staff: APIClient, anyone: APIClient) -> None:
    product("MUG-RED")
    url = f"{PRODUCTS}MUG-RED/"
    assert staff.patch(url, {"active": False}).json()["active"] is False
    assert_problem(anyone.get(url), 404)
    assert_problem(place(client_of(user())), 422, "unknown-product")
    assert staff.patch(url, {"active": True}).status_code == 200
    assert anyone.get(url).status_code == 200


def test_staff_see_what_is_not_for_sale_and_others_do_not(staff: APIClient, anyone: APIClient) -> None:
    product("MUG-RED")
    product("MUG-OLD", active=False)
    url = f"{PRODUCTS}MUG-OLD/"
    assert staff.get(url).json()["active"] is False
    assert {one["sku"]: one["active"] for one in staff.get(PRODUCTS).json()["results"]} == {
        "MUG-OLD": False, "MUG-RED": True,
    }  # fmt: skip
    for client in (anyone, client_of(user())):
        assert_problem(client.get(url), 404)
        assert [one["sku"] for one in client.get(PRODUCTS).json()["results"]] == ["MUG-RED"]
        assert "active" not in client.get(f"{PRODUCTS}MUG-RED/").json()


def test_credentials_that_are_not_valid_read_as_anyone_does(anyone: APIClient) -> None:
    product("MUG-OLD", active=False)
    anyone.credentials(HTTP_AUTHORIZATION="Bearer none")
    assert anyone.get(PRODUCTS).json()["results"] == []


def test_what_one_has_is_not_sent_again(staff: APIClient, anyone: APIClient) -> None:
    product("MUG-RED", stock=5)
    url = f"{PRODUCTS}MUG-RED/"
    tag = anyone.get(url)["ETag"]
    fresh = anyone.get(url, headers={"If-None-Match": tag})
    assert (fresh.status_code, fresh.content, fresh["ETag"]) == (304, b"", tag)
    Stock.objects.update(held=1)
    assert anyone.get(url, headers={"If-None-Match": tag}).json()["available"] == 4


def test_a_change_to_what_has_changed_is_refused(staff: APIClient) -> None:
    product("MUG-RED", "9.90")
    url = f"{PRODUCTS}MUG-RED/"
    tag = staff.get(url)["ETag"]
    first = staff.patch(url, {"name": "A"}, headers={"If-Match": tag})
    assert first.status_code == 200
    assert_problem(staff.patch(url, {"name": "B"}, headers={"If-Match": tag}), 412, "stale-version")
    assert staff.patch(url, {"name": "C"}, headers={"If-Match": first["ETag"]}).status_code == 200
    assert staff.patch(url, {"name": "D"}, headers={"If-Match": "*"}).status_code == 200
    assert Product.objects.get().name == "D"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"sku": "a/b"}, "#/sku"),
        ({"sku": ""}, "#/sku"),
        ({"sku": "MUG\n"}, "#/sku"),
        ({"sku": "M" * 65}, "#/sku"),
        ({"name": ""}, "#/name"),
        ({"price": {"amount": "-1", "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": 9.9, "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": "NaN", "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": "1\n", "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": "99999999999", "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": "1", "currency": "EUR\n"}}, "#/price/currency"),
        ({"price": {"amount": "1"}}, "#/price/currency"),
        ({"lowStock": -1}, "#/lowStock"),
        ({"active": "yes"}, "#/active"),
        ({"colour": "red"}, "#/colour"),
        ({"name": "a\0"}, "#/name"),
    ],
)
def test_a_product_that_does_not_fit(staff: APIClient, change: Any, pointer: str) -> None:
    assert_problem(staff.post(PRODUCTS, {**MUG, **change}), 400, "invalid", pointer)
    product("MUG-RED")
    if "sku" not in change:
        assert_problem(staff.patch(f"{PRODUCTS}MUG-RED/", change), 400, "invalid", pointer)


def test_the_key_of_a_product_stays(staff: APIClient) -> None:
    product("MUG-RED")
    assert_problem(staff.patch(f"{PRODUCTS}MUG-RED/", {"sku": "OTHER"}), 400, "invalid", "#/sku")


@pytest.mark.parametrize("sku", ["NONE", "%00", "%ff"])
def test_a_product_that_is_none(staff: APIClient, sku: str) -> None:
    assert_problem(staff.patch(f"{PRODUCTS}{sku}/", {"name": "x"}), 404)


# --- stock -----------------------------------------------------------------------------------------------


@pytest.fixture
def shelves() -> None:
    product("MUG-RED", stock=5)
    product("TEAPOT", stock=2)
    Warehouse.objects.create(code="RTM", name="Rotterdam", priority=2)
    Stock.objects.create(product_id="MUG-RED", warehouse_id="RTM", on_hand=3, held=3)


@pytest.mark.usefixtures("shelves")
def test_what_is_where(staff: APIClient, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        rows = staff.get(STOCK).json()["results"]
    assert rows[1] == {"sku": "MUG-RED", "warehouse": "RTM", "onHand": 3, "held": 3, "available": 0}
    for query, places in (
        ({"sku": "MUG-RED"}, ["BER", "RTM"]), ({"warehouse": "RTM"}, ["RTM"]), ({"inStock": "false"}, ["RTM"]),
        ({"inStock": "true"}, ["BER", "BER"]), ({"ordering": "-warehouse"}, ["RTM", "BER", "BER"]),
    ):  # fmt: skip
        assert [row["warehouse"] for row in staff.get(STOCK, query).json()["results"]] == places, query
    first = staff.get(STOCK, {"limit": 2}).json()
    assert [row["sku"] for row in staff.get(first["next"]).json()["results"]] == ["TEAPOT"]
    assert_problem(staff.get(STOCK, {"shelf": "3"}), 400, "invalid", "?shelf")


def adjust(client: APIClient, delta: Any, sku: str = "MUG-RED", at: str = "BER", key: str = "", **more: Any) -> Any:
    body = {"sku": sku, "warehouse": at, "delta": delta, "reason": "counted", **more}
    return client.post(ADJUST, body, headers={"Idempotency-Key": key} if key else {})


@pytest.mark.usefixtures("shelves")
@pytest.mark.parametrize(("delta", "left"), [(7, 12), (-5, 0)])
def test_the_stock_is_corrected_and_it_is_written_down(staff: APIClient, delta: int, left: int) -> None:
    answer = adjust(staff, delta)
    expected = {"sku": "MUG-RED", "warehouse": "BER", "onHand": left, "held": 0, "available": left}
    assert (answer.status_code, answer.json()) == (200, expected)
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_ids, line.reason) == ("keeper", "adjust", ["MUG-RED@BER"], "counted")
    assert line.details == {"delta": delta, "before": 5, "after": left}


@pytest.mark.usefixtures("shelves")
def test_stock_begins_where_none_was_kept(staff: APIClient) -> None:
    assert adjust(staff, 4, "TEAPOT", "RTM").json()["onHand"] == 4
    assert_problem(adjust(staff, -5, "TEAPOT", "RTM"), 422, "below-held")


@pytest.mark.usefixtures("shelves")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"delta": -6}, "below-held"),
        ({"delta": -1, "at": "RTM"}, "below-held"),
        ({"delta": 1, "sku": "NONE"}, "unknown-product"),
        ({"delta": 1, "at": "MOON"}, "unknown-warehouse"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(staff: APIClient, changes: Any, code: str) -> None:
    before = list(Stock.objects.order_by("id").values())
    assert_problem(adjust(staff, **changes), 422, code)
    assert list(Stock.objects.order_by("id").values()) == before
    assert not Audit.objects.exists()


@pytest.mark.usefixtures("shelves")
def test_a_warehouse_is_not_without_end(staff: APIClient) -> None:
    for _ in range(2):
        assert adjust(staff, 10**9).status_code == 200
    assert_problem(adjust(staff, 10**9), 422, "too-many")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"delta": "3"}, "#/delta"),
        ({"delta": 1.5}, "#/delta"),
        ({"delta": 10**12}, "#/delta"),
        ({"reason": ""}, "#/reason"),
        ({"sku": ""}, "#/sku"),
        ({"held": 3}, "#/held"),
    ],
)
def test_an_adjustment_that_does_not_fit(staff: APIClient, change: Any, pointer: str) -> None:
    assert_problem(adjust(staff, **{"delta": 1, **change}), 400, "invalid", pointer)


def test_an_adjustment_by_nothing_is_none(staff: APIClient) -> None:
    assert_problem(adjust(staff, 0), 422, "invalid", "#/delta")


@pytest.mark.usefixtures("shelves")
def test_a_retry_under_the_same_key_adjusts_once(staff: APIClient) -> None:
    first, again = adjust(staff, 3, key="k"), adjust(staff, 3, key="k")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again["Idempotency-Replayed"] == "true"
    assert Stock.objects.get(product_id="MUG-RED", warehouse_id="BER").on_hand == 8
    assert_problem(adjust(staff, 4, key="k"), 422, "idempotency-key-reused")
    assert_problem(adjust(staff, -100, key="other"), 422, "below-held")
    assert Audit.objects.count() == 1


@pytest.mark.usefixtures("shelves")
def test_without_a_key_each_adjusts(staff: APIClient) -> None:
    assert [adjust(staff, 1).json()["onHand"] for _ in range(2)] == [6, 7]


@pytest.mark.usefixtures("shelves")
def test_a_correction_that_crosses_the_threshold_tells_so_once(staff: APIClient) -> None:
    Product.objects.filter(sku="MUG-RED").update(low_stock=4)
    adjust(staff, 2)
    for _ in range(2):
        adjust(staff, -2)
    low = StoredEvent.objects.get(type="inventory.low")
    assert (low.data, name_of(low.actor)) == ({"sku": "MUG-RED", "available": 3, "threshold": 4}, "keeper")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shelves")
def test_at_once_nothing_is_lost_and_nothing_falls_below_zero(keeper: User) -> None:
    def take(_: int) -> int:
        try:
            return int(adjust(client_of(keeper), -1).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(take, range(8)))
    assert sorted(statuses) == [200] * 5 + [422] * 3
    assert Stock.objects.get(product_id="MUG-RED", warehouse_id="BER").on_hand == 0


@pytest.mark.usefixtures("shelves")
def test_in_the_admin_it_is_written_down_too() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    stock = Stock.objects.get(product_id="TEAPOT")
    page = reverse("admin:inventory_stock_change", args=[stock.id])
    for _ in range(2):
        assert client.post(page, {"on_hand": "9", "seen": "2", "reason": "found"}).status_code == 302
        stock.refresh_from_db()
    client.post(page, {"on_hand": "9", "seen": "9", "reason": "found"})
    assert [line.details for line in Audit.objects.order_by("id")] == [
        {"delta": 7, "before": 2, "after": 9},
        {"delta": 7, "before": 9, "after": 16},
    ]
    added = {"product": "TEAPOT", "warehouse": "RTM", "on_hand": "4", "reason": "found"}
    client.post(reverse("admin:inventory_stock_add"), added)
    assert Audit.objects.latest("id").details == {"delta": 4, "before": 0, "after": 4}


# --- who may ---------------------------------------------------------------------------------------------


def test_each_deed_needs_its_own_permission(anyone: APIClient) -> None:
    product("MUG-RED")
    deeds: Any = (
        (lambda client: client.post(PRODUCTS, {**MUG, "sku": "NEW"}), 201),
        (lambda client: client.patch(f"{PRODUCTS}MUG-RED/", {"name": "x"}), 200),
        (lambda client: client.get(STOCK), 200),
        (lambda client: adjust(client, 1), 200),
    )
    for (deed, done), right in zip(deeds, RIGHTS, strict=True):
        assert_problem(deed(anyone), 401, "not-authenticated")
        others = [one for one in RIGHTS if one != right]
        assert_problem(deed(client_of(user("", *others))), 403, "permission-denied")
        assert deed(client_of(user("", right))).status_code == done


def test_the_warehouse_may_all_of_it() -> None:
    product("MUG-RED")
    keeper = user("from-the-group")
    keeper.groups.add(Group.objects.get(name="warehouse"))
    client = client_of(keeper)
    assert client.post(PRODUCTS, {**MUG, "sku": "NEW"}).status_code == 201
    assert client.get(STOCK).status_code == 200
    assert adjust(client, 1).status_code == 200
