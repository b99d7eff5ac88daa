"""A request that can be read in two ways is refused: a name or a parameter that occurs twice, an unknown format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from orders.models import Order
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, order, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    product()
    return client_of(user("root", is_staff=True, is_superuser=True))


def post(client: APIClient, path: str, body: str) -> Any:
    return client.generic("POST", path, body, "application/json", headers={"Idempotency-Key": "k"})


@pytest.mark.parametrize(
    ("whole", "twice"),
    [
        ('"quantity": 2', '"quantity": 2, "quantity": 9'),
        ('"currency": "EUR"', '"currency": "EUR", "currency": "EUR"'),
        ('"city": "Berlin"', r'"city": "a\": b", "c\u0069ty" : "Berlin"'),
        ('"items"', '"items": [], "items"'),
    ],
)
def test_a_name_that_occurs_twice_is_refused(client: APIClient, whole: str, twice: str) -> None:
    body = json.dumps(order())
    assert whole in body
    problem = assert_problem(post(client, ORDERS, body.replace(whole, twice)), 400, "parse-error")
    assert "more than once" in problem["detail"]
    assert not Order.objects.exists()


def test_a_text_that_looks_like_names_is_a_text(client: APIClient) -> None:
    strange = {**order()["shippingAddress"], "name": '"city": "city": \\": x'}
    answer = post(client, ORDERS, json.dumps(order(shippingAddress=strange)))
    assert answer.status_code == 201
    assert answer.json()["shippingAddress"] == strange


def test_each_order_of_a_bulk_request_has_names_of_its_own(client: APIClient) -> None:
    body = {"orders": [{**order(), "idempotencyKey": key} for key in "ab"]}
    assert [one["status"] for one in post(client, f"{ORDERS}bulk/", json.dumps(body)).json()["results"]] == [201, 201]


@pytest.mark.parametrize(
    "query",
    [
        "orders/?status=pending&status=confirmed",
        "orders/?limit=1&limit=2",
        "orders/?ordering=createdAt&ordering=createdAt",
        "products/?search=a&search=b",
        "events/?type=order.created&type=order.shipped",
        "returns/?order=x&order=y",
        "webhooks/?cursor=a&cursor=b",
    ],
)
def test_a_parameter_that_occurs_twice_is_refused(client: APIClient, query: str) -> None:
    name = query.partition("?")[2].partition("=")[0]
    problem = assert_problem(client.get(f"{BASE}{query}"), 400, "invalid", f"?{name}")
    assert problem["errors"][0]["detail"] == "Send the parameter once."


def test_two_versions_are_not_one(client: APIClient) -> None:
    url = place(client)["Location"]
    assert_problem(client.get(f"{url}?atVersion=1&atVersion=2"), 400, "invalid", "?atVersion")


@pytest.mark.parametrize("path", ["orders/", "products/", "schema/"])
def test_an_unknown_format_is_told(client: APIClient, path: str) -> None:
    problem = assert_problem(client.get(f"{BASE}{path}?format=xml"), 404, "not-found")
    assert "`format`" in problem["detail"]
