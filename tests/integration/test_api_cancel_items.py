"""Cancelling what is unshipped of an order over HTTP: who may, how much, once, and what the order then says."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from desk.actors import name_of
from desk.models import Audit
from events.models import StoredEvent
from orders.models import Cancellation, Order
from tests.integration.api import ORDERS, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> APIClient:
    product("MUG-RED")
    product("TEAPOT", price="34.50")
    return client_of(user("ada"))


@pytest.fixture
def manager() -> APIClient:
    permissions = ("orders.view_order", "orders.ship_order", "orders.cancel_order")
    return client_of(user("manager", *permissions, is_staff=True))


def confirmed(customer: APIClient) -> str:
    id_ = place(customer, ("MUG-RED", 3), ("TEAPOT", 1)).json()["id"]
    order = Order.objects.get(id=id_)
    order.confirm()
    order.save()
    return str(id_)


def goods(items: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in items]


def ship(client: APIClient, order_id: str, *items: tuple[str, int]) -> None:
    body = {"items": goods(items), "carrier": "DHL", "trackingNumber": "1"}
    assert client.post(f"{ORDERS}{order_id}/shipments/", body).status_code == 201


def partially_shipped(customer: APIClient, manager: APIClient) -> str:
    one = confirmed(customer)
    ship(manager, one, ("MUG-RED", 1))
    return one


def cancel(client: APIClient, order_id: str, *items: tuple[str, int], **headers: str) -> Any:
    body = {"reason": "sold out"} | ({"items": goods(items)} if items else {})
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{ORDERS}{order_id}/cancel/", body, headers=names)


def cancelled(order: dict[str, Any]) -> dict[str, int]:
    return {item["sku"]: item["cancelledQuantity"] for item in order["items"]}


def test_items_are_cancelled_and_then_the_rest(customer: APIClient, manager: APIClient) -> None:
    one = partially_shipped(customer, manager)
    first = cancel(customer, one, ("MUG-RED", 1))
    assert first.status_code == 202
    order = first.json()
    assert (order["status"], order["cancelReason"], cancelled(order)) == (
        "partially_shipped",
        None,
        {"MUG-RED": 1, "TEAPOT": 0},
    )
    read = customer.get(f"{ORDERS}{one}/")
    assert (read.json(), read["ETag"]) == (order, first["ETag"])
    last = cancel(customer, one).json()
    assert (last["status"], cancelled(last)) == ("shipped", {"MUG-RED": 2, "TEAPOT": 1})
    assert_problem(cancel(customer, one), 409, "illegal-transition")
    assert_problem(cancel(customer, one, ("TEAPOT", 1)), 409, "illegal-transition")
    events = customer.get(f"{ORDERS}{one}/events/").json()[3:]
    assert [event["data"]["refund"]["amount"] for event in events] == ["9.90", "44.40"]
    assert [event["data"]["complete"] for event in events] == [False, True]
    assert {event["data"]["cancellationId"] for event in events} == {
        str(id_) for id_ in Cancellation.objects.values_list("id", flat=True)
    }
    assert customer.get(f"{ORDERS}{one}/?atVersion=4").json()["items"] == order["items"]


@pytest.mark.parametrize(
    ("items", "code", "pointer"),
    [
        ([("MUG-RED", 3)], "more-than-unshipped", "#/items/0/quantity"),
        ([("MUG-RED", 2), ("TEAPOT", 2)], "more-than-unshipped", "#/items/1/quantity"),
        ([("MUG-RED", 1), ("SPOON", 1)], "not-ordered", "#/items/1/sku"),
        ([("MUG-RED", 1), ("MUG-RED", 1)], "invalid", "#/items/1/sku"),
    ],
)
def test_no_more_is_cancelled_than_is_unshipped(
    customer: APIClient, manager: APIClient, items: list[tuple[str, int]], code: str, pointer: str
) -> None:
    one = partially_shipped(customer, manager)
    assert_problem(cancel(customer, one, *items), 422, code, pointer)
    assert not Cancellation.objects.exists()
    assert cancelled(customer.get(f"{ORDERS}{one}/").json()) == {"MUG-RED": 0, "TEAPOT": 0}


@pytest.mark.parametrize("items", [[], None, "all", [{"sku": "MUG-RED"}], [{"sku": "MUG-RED", "quantity": 0}]])
def test_wrong_items_are_refused(customer: APIClient, manager: APIClient, items: Any) -> None:
    one = partially_shipped(customer, manager)
    assert_problem(customer.post(f"{ORDERS}{one}/cancel/", {"reason": "r", "items": items}), 400, "invalid")


def test_an_unshipped_order_is_only_cancelled_as_a_whole(customer: APIClient) -> None:
    for one in (place(customer).json()["id"], confirmed(customer)):
        problem = assert_problem(cancel(customer, one, ("MUG-RED", 1)), 409, "illegal-transition")
        assert "leave out the items" in problem["detail"]
        assert cancel(customer, one).status_code == 202


def test_a_retry_under_the_same_key_cancels_once(customer: APIClient, manager: APIClient) -> None:
    one = partially_shipped(customer, manager)
    first, again = (cancel(customer, one, ("MUG-RED", 1), Idempotency_Key="click") for _ in range(2))
    assert (again.status_code, again.content, again["ETag"]) == (202, first.content, first["ETag"])
    assert again["Idempotency-Replayed"] == "true"
    assert Cancellation.objects.count() == 1
    assert_problem(cancel(customer, one, Idempotency_Key="click"), 422, "idempotency-key-reused")


def test_if_match_is_honoured(customer: APIClient, manager: APIClient) -> None:
    one = partially_shipped(customer, manager)
    stale = customer.get(f"{ORDERS}{one}/")["ETag"]
    ship(manager, one, ("MUG-RED", 1))
    assert_problem(cancel(customer, one, If_Match=stale), 412, "stale-version")
    assert cancel(customer, one, If_Match=customer.get(f"{ORDERS}{one}/")["ETag"]).status_code == 202


def test_who_may_and_what_of_it_is_in_the_audit(customer: APIClient, manager: APIClient) -> None:
    one = partially_shipped(customer, manager)
    auditor = client_of(user("auditor", "orders.view_order", is_staff=True))
    assert_problem(cancel(auditor, one, ("MUG-RED", 1)), 403, "permission-denied")
    assert_problem(cancel(client_of(user()), one, ("MUG-RED", 1)), 404, "not-found")
    assert cancel(customer, one, ("MUG-RED", 1)).status_code == 202
    assert not Audit.objects.filter(action="cancel").exists()
    assert cancel(manager, one).status_code == 202
    line = Audit.objects.get(action="cancel")
    assert (line.who, line.target_ids, line.reason) == ("manager", [one], "sold out")
    assert line.details == {"cancellation": str(Cancellation.objects.last().id)}  # type: ignore[union-attr]
    told = StoredEvent.objects.filter(type="order.items_cancelled").order_by("position")
    assert [name_of(event.actor) for event in told] == ["ada", "manager"]


def test_five_hundred_lines_cost_as_many_statements_as_one(
    manager: APIClient, customer: APIClient, django_assert_max_num_queries: Any
) -> None:
    skus = [f"SKU-{number}" for number in range(50)]
    for sku in skus:
        product(sku)
    one = place(customer, *((sku, 2) for sku in skus)).json()["id"]
    order = Order.objects.get(id=one)
    order.confirm()
    order.save()
    ship(manager, one, ("SKU-0", 1))
    with django_assert_max_num_queries(25):
        assert cancel(customer, one).status_code == 202
