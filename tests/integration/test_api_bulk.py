"""Many orders in one call: each under its own key, each with its own result."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from events.models import StoredEvent
from orderproject.models import User
from orders.models import IdempotentRequest, Order
from tests.integration.api import ORDERS, assert_problem, client_of, order, place, product, user

pytestmark = pytest.mark.django_db
BULK = f"{ORDERS}bulk/"


@pytest.fixture
def customer() -> User:
    return user()


@pytest.fixture
def client(customer: User) -> APIClient:
    product()
    return client_of(customer)


def keyed(*items: tuple[str, int], key: str = "", **changes: Any) -> dict[str, Any]:
    return {"idempotencyKey": key or str(uuid4()), **order(*items, **changes)}


def place_many(client: APIClient, *orders: Any) -> list[dict[str, Any]]:
    answer = client.post(BULK, {"orders": list(orders)})
    assert answer.status_code == 207, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    assert len(results) == len(orders)
    return results


def test_each_is_answered_as_if_it_came_alone(client: APIClient) -> None:
    results = place_many(client, keyed(("MUG-RED", 1)), keyed(("MUG-RED", 2)))
    assert [result["status"] for result in results] == [201, 201]
    assert [result["order"]["items"][0]["quantity"] for result in results] == [1, 2]
    for result in results:
        assert client.get(f"{ORDERS}{result['order']['id']}/").json() == result["order"]
    assert StoredEvent.objects.filter(type="order.created").count() == 2


def test_one_that_is_refused_does_not_hold_up_the_others(client: APIClient) -> None:
    results = place_many(
        client,
        keyed(),
        keyed(("NONE", 1)),
        keyed(currency="USD"),
        keyed(email="nobody"),
        {"idempotencyKey": "no order"},
        "not an object",
        keyed(more=1),
        order(),
        keyed(("MUG-RED", 1), ("MUG-RED", 2)),
        keyed(),
    )
    assert [result["status"] for result in results] == [201, 422, 422, 400, 400, 400, 400, 400, 422, 201]
    problems = [result["problem"] for result in results[1:-1]]
    assert [problem["type"] for problem in problems[:2]] == ["unknown-product", "wrong-currency"]
    assert [error["pointer"] for problem in problems for error in problem["errors"]] == [
        "#/items/0/sku", "#/items/0/sku", "#/email", "#/currency", "#", "#/more", "#/idempotencyKey", "#/items/1/sku",
    ]  # fmt: skip
    assert Order.objects.count() == IdempotentRequest.objects.count() == 2


def test_one_that_the_database_refuses_does_not_hold_up_the_others(client: APIClient) -> None:
    product("POISON")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_orderline ADD CONSTRAINT no_poison CHECK (sku <> 'POISON')")
    results = place_many(client, keyed(), keyed(("POISON", 1)), keyed(), keyed(("NONE", 1)), keyed())
    assert [result["status"] for result in results] == [201, 500, 201, 422, 201]
    assert results[1]["problem"]["type"] == "internal-error"
    assert Order.objects.count() == IdempotentRequest.objects.count() == 3


def test_the_same_call_again_gets_the_same_results_and_makes_nothing(client: APIClient) -> None:
    orders = [keyed(), keyed(), keyed(("NONE", 1))]
    first = place_many(client, *orders)
    assert place_many(client, *orders) == first
    assert Order.objects.count() == 2


def test_an_order_of_an_earlier_call_may_stand_among_new_ones(client: APIClient) -> None:
    old = keyed(key="old")
    (first,) = place_many(client, old)
    results = place_many(client, keyed(), old, keyed(("MUG-RED", 9), key="old"))
    assert results[1] == first
    assert [result["status"] for result in results] == [201, 201, 422]
    assert results[2]["problem"]["type"] == "idempotency-key-reused"


def test_a_key_twice_in_one_call_is_one_order(client: APIClient) -> None:
    one = keyed(key="k")
    results = place_many(client, one, one, keyed(("MUG-RED", 9), key="k"))
    assert results[0] == results[1]
    assert results[2]["problem"]["type"] == "idempotency-key-reused"
    assert Order.objects.count() == 1


def test_keys_are_the_same_as_those_of_single_orders(client: APIClient) -> None:
    place(client, key="k")
    (result,) = place_many(client, keyed(("MUG-RED", 9), key="k"))
    assert result["problem"]["type"] == "idempotency-key-reused"
    place_many(client, keyed(key="l"))
    assert_problem(place(client, ("MUG-RED", 9), key="l"), 422, "idempotency-key-reused")


@pytest.mark.parametrize(
    "body", [{}, {"orders": []}, {"orders": {}}, {"orders": [{}] * 501}, {"orders": [{}], "x": 1}, []]
)
def test_what_is_no_such_call_is_refused_whole(client: APIClient, body: Any) -> None:
    assert_problem(client.post(BULK, body), 400, "invalid")


def test_only_for_those_who_are_logged_in(client: APIClient) -> None:
    assert_problem(client_of(None).post(BULK, {"orders": [keyed()]}), 401)


def test_an_order_in_an_unknown_currency_is_refused_alone(client: APIClient) -> None:
    results = place_many(client, keyed(currency="EUX"), keyed())
    assert [result["status"] for result in results] == [422, 201]
    assert [error["pointer"] for error in results[0]["problem"]["errors"]] == ["#/currency"]


def test_five_hundred_need_no_more_statements_than_five(client: APIClient) -> None:
    def statements(count: int) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            place_many(client, *[keyed() for _ in range(count)])
        return len(captured)

    assert statements(5) == statements(500)
    assert Order.objects.count() == 505


@pytest.mark.django_db(transaction=True)
def test_calls_that_share_keys_at_once_make_each_order_once(customer: User, client: APIClient) -> None:
    orders = [keyed(key=f"key {number}") for number in range(40)]
    barrier = Barrier(8)

    def shoot(number: int) -> list[dict[str, Any]]:
        try:
            barrier.wait(10)
            return place_many(client_of(customer), *(orders if number % 2 else reversed(orders)))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        results = [result for answer in pool.map(shoot, range(8)) for result in answer]

    assert set(Counter(result["status"] for result in results)) <= {201, 409}
    assert Order.objects.count() == IdempotentRequest.objects.count() == 40
    assert {result["order"]["id"] for result in results if result["status"] == 201} == {
        str(id_) for id_ in Order.objects.values_list("id", flat=True)
    }
