"""The catalogue, open to everyone."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from inventory.models import Stock, Warehouse
from tests.integration.api import BASE, assert_problem, client_of, product

pytestmark = pytest.mark.django_db
PRODUCTS = f"{BASE}products/"


@pytest.fixture
def client() -> APIClient:
    return client_of(None)


@pytest.fixture
def catalogue() -> None:
    product("MUG-RED", "9.90", 5, name="Mug, red")
    product("MUG-BLUE", "9.90", 0, name="Mug, blue")
    product("TEAPOT", "34.50", 2, name="A teapot")
    product("OLD", "1.00", 7, active=False)
    more = Warehouse.objects.create(code="RTM", name="Rotterdam", priority=2)
    Stock.objects.create(product_id="MUG-RED", warehouse=more, on_hand=4, held=3)


def skus(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [one["sku"] for one in response.json()["results"]]


@pytest.mark.usefixtures("catalogue")
def test_what_is_for_sale(client: APIClient) -> None:
    mug = {"sku": "MUG-RED", "name": "Mug, red", "price": {"amount": "9.90", "currency": "EUR"}, "available": 6}
    page = client.get(PRODUCTS).json()
    assert [one["sku"] for one in page["results"]] == ["MUG-BLUE", "MUG-RED", "TEAPOT"]
    assert page["results"][1] == mug
    assert client.get(f"{PRODUCTS}MUG-RED/").json() == mug


@pytest.mark.usefixtures("catalogue")
def test_search_stock_and_ordering(client: APIClient) -> None:
    assert skus(client.get(f"{PRODUCTS}?search=mug")) == ["MUG-BLUE", "MUG-RED"]
    assert skus(client.get(f"{PRODUCTS}?search=A%20tea")) == ["TEAPOT"]
    assert skus(client.get(f"{PRODUCTS}?search=%25")) == []
    assert skus(client.get(f"{PRODUCTS}?inStock=true")) == ["MUG-RED", "TEAPOT"]
    assert skus(client.get(f"{PRODUCTS}?inStock=false")) == ["MUG-BLUE"]
    assert skus(client.get(f"{PRODUCTS}?ordering=-price")) == ["TEAPOT", "MUG-RED", "MUG-BLUE"]
    assert skus(client.get(f"{PRODUCTS}?ordering=name")) == ["TEAPOT", "MUG-BLUE", "MUG-RED"]


def test_pages_keep_their_order_where_prices_are_equal(client: APIClient) -> None:
    for number in range(9):
        product(f"P{number}", ("1.00", "1.00", "2.00")[number % 3])
    seen, address = [], f"{PRODUCTS}?ordering=-price&limit=2&search=P"
    while address:
        page = client.get(address).json()
        seen += [one["sku"] for one in page["results"]]
        address = page["next"]
    assert seen == ["P8", "P5", "P2", "P7", "P6", "P4", "P3", "P1", "P0"]


@pytest.mark.parametrize(
    ("name", "value"), [("inStock", "maybe"), ("ordering", "colour"), ("search", "\0"), ("q", "mug"), ("limit", "many")]
)
def test_a_wrong_parameter_is_named(client: APIClient, name: str, value: str) -> None:
    assert_problem(client.get(PRODUCTS, {name: value}), 400, "invalid", f"?{name}")


@pytest.mark.parametrize("sku", ["NONE", "%00", "a%2Fb", "%ff", "ä", "OLD"])
@pytest.mark.usefixtures("catalogue")
def test_what_is_not_for_sale_is_not_found(client: APIClient, sku: str) -> None:
    assert_problem(client.get(f"{PRODUCTS}{sku}/"), 404)


def test_a_bad_token_is_no_hindrance(client: APIClient) -> None:
    assert client.get(PRODUCTS, headers={"Authorization": "Bearer expired"}).status_code == 200


def test_a_list_costs_one_statement_however_long(client: APIClient, django_assert_num_queries: Any) -> None:
    product("P0")
    with django_assert_num_queries(1):
        assert len(skus(client.get(PRODUCTS))) == 1
    for number in range(1, 20):
        product(f"P{number}")
    with django_assert_num_queries(1):
        assert len(skus(client.get(PRODUCTS))) == 20
