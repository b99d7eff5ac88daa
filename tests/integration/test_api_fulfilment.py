"""Shipping, delivering, returning and refunding over HTTP: who may, how much, once, and what the order then says."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from desk.actors import name_of
from desk.models import Audit
from events.models import StoredEvent
from orders.models import Order, Return, Shipment
from sagas.definition import definition
from tests.integration.api import ORDERS, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db
WAREHOUSE = ("orders.view_order", "orders.ship_order", "orders.deliver_order")


@pytest.fixture
def customer() -> APIClient:
    product("MUG-RED")
    product("TEAPOT", price="34.50")
    return client_of(user("ada"))


@pytest.fixture
def warehouse() -> APIClient:
    return client_of(user("warehouse", *WAREHOUSE, is_staff=True))


def confirmed(client: APIClient, *items: tuple[str, int]) -> str:
    id_ = place(client, *items or [("MUG-RED", 3), ("TEAPOT", 1)]).json()["id"]
    order = Order.objects.get(id=id_)
    order.confirm()
    order.save()
    return str(id_)


def goods(items: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in items]


def post(client: APIClient, order_id: str, deed: str, body: Any = None, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{ORDERS}{order_id}/{deed}/", body, headers=names)


def ship(client: APIClient, order_id: str, *items: tuple[str, int], **headers: str) -> Any:
    body = {"items": goods(items), "carrier": "DHL", "trackingNumber": "JD0140"}
    return post(client, order_id, "shipments", body, **headers)


def return_goods(client: APIClient, order_id: str, *items: tuple[str, int], **headers: str) -> Any:
    return post(client, order_id, "returns", {"items": goods(items), "reason": "too red"}, **headers)


@pytest.fixture(autouse=True)
def _returns_without_approval(settings: Any) -> None:
    """Returns in steps are in test_api_returns.py."""
    settings.RETURNS_AUTO_APPROVE = True


def delivered(customer: APIClient, warehouse: APIClient) -> str:
    one = confirmed(customer)
    assert ship(warehouse, one, ("MUG-RED", 3), ("TEAPOT", 1)).status_code == 201
    assert post(warehouse, one, "deliver").status_code == 200
    return one


def moved(order: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {item["sku"]: (item["shippedQuantity"], item["returnedQuantity"]) for item in order["items"]}


# --- shipping --------------------------------------------------------------------------------------------------


def test_an_order_is_shipped_in_parcels(customer: APIClient, warehouse: APIClient) -> None:
    one = confirmed(customer)
    first = ship(warehouse, one, ("MUG-RED", 2))
    assert first.status_code == 201
    parcel = first.json()
    assert (parcel["carrier"], parcel["trackingNumber"], parcel["items"]) == ("DHL", "JD0140", goods((("MUG-RED", 2),)))
    read = customer.get(f"{ORDERS}{one}/")
    assert (read.json(), read["ETag"]) == (parcel["order"], first["ETag"])
    assert (parcel["order"]["status"], moved(parcel["order"])) == (
        "partially_shipped",
        {"MUG-RED": (2, 0), "TEAPOT": (0, 0)},
    )
    last = ship(warehouse, one, ("TEAPOT", 1), ("MUG-RED", 1)).json()["order"]
    assert (last["status"], moved(last)) == ("shipped", {"MUG-RED": (3, 0), "TEAPOT": (1, 0)})
    assert post(warehouse, one, "deliver").json()["status"] == "delivered"
    assert [shipment.lines.count() for shipment in Shipment.objects.order_by("id")] == [1, 2]
    events = customer.get(f"{ORDERS}{one}/events/").json()
    assert [(event["eventType"], event["data"].get("complete")) for event in events[2:]] == [
        ("order.shipped", False),
        ("order.shipped", True),
        ("order.delivered", None),
    ]
    assert name_of(StoredEvent.objects.get(type="order.delivered").actor) == "warehouse"


@pytest.mark.parametrize(
    ("items", "code", "pointer"),
    [
        ([("MUG-RED", 4)], "more-than-ordered", "#/items/0/quantity"),
        ([("MUG-RED", 1), ("TEAPOT", 2)], "more-than-ordered", "#/items/1/quantity"),
        ([("MUG-RED", 1), ("SPOON", 1)], "not-ordered", "#/items/1/sku"),
    ],
)
def test_no_more_is_shipped_than_was_ordered(
    customer: APIClient, warehouse: APIClient, items: list[tuple[str, int]], code: str, pointer: str
) -> None:
    one = confirmed(customer)
    assert_problem(ship(warehouse, one, *items), 422, code, pointer)
    assert not Shipment.objects.exists()
    assert moved(customer.get(f"{ORDERS}{one}/").json()) == {"MUG-RED": (0, 0), "TEAPOT": (0, 0)}


def test_what_was_shipped_counts(customer: APIClient, warehouse: APIClient) -> None:
    one = confirmed(customer)
    ship(warehouse, one, ("MUG-RED", 2))
    assert_problem(ship(warehouse, one, ("MUG-RED", 2)), 422, "more-than-ordered", "#/items/0/quantity")


def test_what_the_status_does_not_allow(customer: APIClient, warehouse: APIClient) -> None:
    pending = place(customer).json()["id"]
    assert_problem(ship(warehouse, pending, ("MUG-RED", 1)), 409, "illegal-transition")
    one = confirmed(customer)
    assert_problem(post(warehouse, one, "deliver"), 409, "illegal-transition")
    assert_problem(return_goods(customer, one, ("MUG-RED", 1)), 409, "illegal-transition")
    ship(warehouse, one, ("MUG-RED", 1))
    assert_problem(post(warehouse, one, "deliver"), 409, "illegal-transition")
    ship(warehouse, one, ("MUG-RED", 2), ("TEAPOT", 1))
    assert_problem(post(customer, one, "cancel", {"reason": "late"}), 409, "illegal-transition")
    assert_problem(ship(warehouse, one, ("MUG-RED", 1)), 409, "illegal-transition")
    post(warehouse, one, "deliver")
    assert_problem(post(warehouse, one, "deliver"), 409, "illegal-transition")


def test_a_retry_under_the_same_key_ships_once(customer: APIClient, warehouse: APIClient) -> None:
    one = confirmed(customer)
    tag = customer.get(f"{ORDERS}{one}/")["ETag"]
    headers = {"Idempotency_Key": "parcel-1", "If_Match": tag}
    first, again = (ship(warehouse, one, ("MUG-RED", 1), **headers) for _ in range(2))
    assert (again.status_code, again.content, again["ETag"]) == (201, first.content, first["ETag"])
    assert again["Idempotency-Replayed"] == "true"
    assert Shipment.objects.count() == 1
    assert_problem(ship(warehouse, one, ("MUG-RED", 2), **headers), 422, "idempotency-key-reused")
    assert_problem(ship(warehouse, one, ("MUG-RED", 1), Idempotency_Key=""), 400, "idempotency-key-missing")
    assert_problem(ship(warehouse, one, ("MUG-RED", 1), Idempotency_Key="k" * 256), 400, "idempotency-key-invalid")


@pytest.mark.parametrize("deed", ["shipments", "deliver", "returns"])
def test_if_match_is_honoured(customer: APIClient, warehouse: APIClient, deed: str) -> None:
    one = confirmed(customer)
    stale = customer.get(f"{ORDERS}{one}/")["ETag"]
    ship(warehouse, one, ("MUG-RED", 2))
    body: dict[str, Any] = {"items": goods((("MUG-RED", 1),))}
    body |= {"shipments": {"carrier": "DHL", "trackingNumber": "1"}, "returns": {"reason": "r"}}.get(deed, {})
    staff = client_of(user(is_superuser=True))
    assert_problem(post(staff, one, deed, body, If_Match=stale), 412, "stale-version")
    fresh = customer.get(f"{ORDERS}{one}/")["ETag"]
    assert post(staff, one, deed, body, If_Match=fresh).status_code == (201 if deed == "shipments" else 409)


def test_who_may_do_what(customer: APIClient, warehouse: APIClient) -> None:
    one = confirmed(customer)
    stranger = client_of(user())
    auditor = client_of(user("auditor", "orders.view_order", is_staff=True))
    for client, status, code in (
        (customer, 403, "permission-denied"),
        (auditor, 403, "permission-denied"),
        (stranger, 404, "not-found"),
    ):
        assert_problem(ship(client, one, ("MUG-RED", 1)), status, code)
        assert_problem(post(client, one, "deliver"), status, code)
    assert_problem(return_goods(auditor, one, ("MUG-RED", 1)), 403, "permission-denied")
    assert_problem(return_goods(stranger, one, ("MUG-RED", 1)), 404, "not-found")
    assert_problem(return_goods(warehouse, one, ("MUG-RED", 1)), 403, "permission-denied")
    assert_problem(ship(warehouse, str(uuid4()), ("MUG-RED", 1)), 404, "not-found")
    assert_problem(ship(client_of(None), one, ("MUG-RED", 1)), 401)
    assert not Shipment.objects.exists()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"items": []}, "#/items"),
        ({"items": [{"sku": "MUG-RED", "quantity": 0}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "MUG-RED", "quantity": 1}] * 2}, "#/items/1/sku"),
        ({"items": [{"sku": "MUG-RED", "quantity": 1, "price": 1}]}, "#/items/0/price"),
        ({"carrier": ""}, "#/carrier"),
        ({"carrier": "\0"}, "#/carrier"),
        ({"trackingNumber": "1" * 101}, "#/trackingNumber"),
        ({"trackingNumber": None}, "#/trackingNumber"),
        ({"note": "fragile"}, "#/note"),
    ],
)
def test_a_wrong_shipment_is_named(customer: APIClient, warehouse: APIClient, change: Any, pointer: str) -> None:
    body = {"items": goods((("MUG-RED", 1),)), "carrier": "DHL", "trackingNumber": "1", **change}
    status = 422 if pointer == "#/items/1/sku" else 400  # no schema can say that a SKU stands once
    assert_problem(post(warehouse, confirmed(customer), "shipments", body), status, "invalid", pointer)


def test_five_hundred_lines_cost_as_many_statements_as_one(
    warehouse: APIClient, customer: APIClient, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        product(f"SKU-{number}")
    one = confirmed(customer, *((f"SKU-{number}", 1) for number in range(50)))
    with django_assert_max_num_queries(25):
        assert ship(warehouse, one, *((f"SKU-{number}", 1) for number in range(50))).status_code == 201


# --- returning -------------------------------------------------------------------------------------------------


def test_a_part_of_a_delivered_order_comes_back_and_then_the_rest(customer: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer, warehouse)
    first = return_goods(customer, one, ("MUG-RED", 2))
    assert first.status_code == 202
    taken = first.json()
    assert (taken["refund"], taken["reason"]) == ({"amount": "19.80", "currency": "EUR"}, "too red")
    assert (taken["order"]["status"], moved(taken["order"])) == ("delivered", {"MUG-RED": (3, 2), "TEAPOT": (1, 0)})
    assert first["ETag"] == customer.get(f"{ORDERS}{one}/")["ETag"]
    last = return_goods(customer, one, ("TEAPOT", 1), ("MUG-RED", 1)).json()
    assert last["refund"]["amount"] == "44.40"
    assert (last["order"]["status"], moved(last["order"])) == ("returned", {"MUG-RED": (3, 3), "TEAPOT": (1, 1)})
    assert_problem(return_goods(customer, one, ("MUG-RED", 1)), 409, "illegal-transition")
    events = StoredEvent.objects.filter(type="order.returned").order_by("position")
    assert [event.data["complete"] for event in events] == [False, True]
    assert {event.data["returnId"] for event in events} == {
        str(id_) for id_ in Return.objects.values_list("id", flat=True)
    }


def test_no_more_comes_back_than_was_shipped(customer: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer, warehouse)
    return_goods(customer, one, ("MUG-RED", 2))
    assert_problem(return_goods(customer, one, ("MUG-RED", 2)), 422, "more-than-shipped", "#/items/0/quantity")
    assert_problem(return_goods(customer, one, ("SPOON", 1)), 422, "not-ordered", "#/items/0/sku")
    assert Return.objects.count() == 1


def test_order_managers_return_too_and_a_double_click_acts_once(customer: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer, warehouse)
    manager = client_of(user("manager", "orders.view_order", "orders.return_order", is_staff=True))
    for _ in range(2):
        assert return_goods(manager, one, ("MUG-RED", 1), Idempotency_Key="click").status_code == 202
    assert moved(customer.get(f"{ORDERS}{one}/").json())["MUG-RED"] == (3, 1)


# --- the audit -------------------------------------------------------------------------------------------------


def audited() -> list[tuple[str, str, list[str], str]]:
    return [(line.who, line.action, line.target_ids, line.reason) for line in Audit.objects.order_by("id")]


def test_what_staff_do_with_anothers_order_is_in_the_audit(customer: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer, warehouse)
    manager = client_of(user("manager", "orders.view_order", "orders.return_order", is_staff=True))
    taken = return_goods(manager, one, ("MUG-RED", 1)).json()
    assert audited() == [
        ("warehouse", "ship", [one], ""),
        ("warehouse", "deliver", [one], ""),
        ("manager", "return", [one], "too red"),
    ]
    shipment = str(Shipment.objects.get().id)
    details = Audit.objects.order_by("id").values_list("details", flat=True)
    assert list(details) == [{"shipment": shipment}, {}, {"taken": taken["id"]}]


def test_what_customers_do_with_their_own_is_not_in_the_audit(customer: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer, warehouse)
    before = audited()
    assert return_goods(customer, one, ("MUG-RED", 1)).status_code == 202
    assert audited() == before


def test_a_retry_is_one_line_in_the_audit_and_a_refusal_none(customer: APIClient, warehouse: APIClient) -> None:
    one = confirmed(customer)
    for _ in range(2):
        assert ship(warehouse, one, ("MUG-RED", 1), Idempotency_Key="parcel-1").status_code == 201
    assert_problem(post(warehouse, one, "deliver"), 409, "illegal-transition")
    assert audited() == [("warehouse", "ship", [one], "")]


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "parcel-1"}])
def test_without_its_line_nothing_is_shipped(
    customer: APIClient, warehouse: APIClient, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the audit is full")

    one = confirmed(customer)
    monkeypatch.setattr("orders.api.view_helpers.audit.record", fail)
    assert_problem(ship(warehouse, one, ("MUG-RED", 1), **headers), 500)
    assert not Shipment.objects.exists()
    assert not StoredEvent.objects.filter(type="order.shipped").exists()


def test_each_return_has_a_saga_of_its_own() -> None:
    assert set(definition("ReturnOrder").steps) == {"refund_return", "restock_return", "close_return"}


# --- as it was -------------------------------------------------------------------------------------------------


def test_an_order_is_shown_as_it_was(customer: APIClient, warehouse: APIClient) -> None:
    one = place(customer, ("MUG-RED", 3), ("TEAPOT", 1)).json()["id"]
    shown = [customer.get(f"{ORDERS}{one}/").json()]
    order = Order.objects.get(id=one)
    order.confirm()
    order.save()
    deeds: list[Any] = [
        lambda: ship(warehouse, one, ("MUG-RED", 2)),
        lambda: ship(warehouse, one, ("MUG-RED", 1), ("TEAPOT", 1)),
        lambda: post(warehouse, one, "deliver"),
        lambda: return_goods(customer, one, ("TEAPOT", 1)),
        lambda: return_goods(customer, one, ("MUG-RED", 3)),
    ]
    for deed in (lambda: None, *deeds):
        deed()
        shown.append(customer.get(f"{ORDERS}{one}/").json())
    assert [order["status"] for order in shown] == [
        "pending", "confirmed", "partially_shipped", "shipped", "delivered", "delivered", "returned",
    ]  # fmt: skip
    for version, then in enumerate(shown, start=1):
        past = customer.get(f"{ORDERS}{one}/?atVersion={version}")
        assert past.status_code == 200
        assert {**past.json(), "updatedAt": ""} == {**then, "updatedAt": ""}
        assert "ETag" not in past


def test_a_cancelled_order_was_once_confirmed(customer: APIClient) -> None:
    one = confirmed(customer)
    post(customer, one, "cancel", {"reason": "by mistake"})
    reasons = [customer.get(f"{ORDERS}{one}/?atVersion={version}").json()["cancelReason"] for version in (1, 2, 3)]
    assert reasons == [None, None, "by mistake"]


@pytest.mark.parametrize(
    ("version", "status"),
    [("0", 404), ("3", 404), ("999999999", 404), ("-1", 400), ("x", 400), ("", 400), ("9" * 99, 400)],
)
def test_a_version_that_does_not_exist(customer: APIClient, version: str, status: int) -> None:
    one = confirmed(customer)
    answer = customer.get(f"{ORDERS}{one}/", {"atVersion": version})
    assert_problem(answer, status, "not-found" if status == 404 else "invalid", "" if status == 404 else "?atVersion")


def test_another_customers_past_is_not_shown(customer: APIClient) -> None:
    assert_problem(client_of(user()).get(f"{ORDERS}{confirmed(customer)}/?atVersion=1"), 404, "not-found")


# --- refunds without a return ----------------------------------------------------------------------------------


def refund(client: APIClient, order_id: str, amount: str = "5.00", currency: str = "EUR", **headers: str) -> Any:
    body = {"amount": {"amount": amount, "currency": currency}, "reason": "scratched"}
    return post(client, order_id, "refunds", body, **headers)


@pytest.fixture
def manager() -> APIClient:
    return client_of(user("manager", "orders.view_order", "orders.refund_order", is_staff=True))


def test_staff_refund_a_part(customer: APIClient, manager: APIClient):
    one = confirmed(customer)
    answer = refund(manager, one)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["amount"], body["reason"]) == ({"amount": "5.00", "currency": "EUR"}, "scratched")
    assert body["order"]["id"] == one
    assert answer["ETag"] == manager.get(f"{ORDERS}{one}/")["ETag"]
    event = StoredEvent.objects.get(type="order.refund_requested")
    assert (name_of(event.actor), event.data["refundId"]) == ("manager", body["id"])
    audit = Audit.objects.get(action="refund")
    assert (audit.who, audit.reason, audit.target_ids) == ("manager", "scratched", [one])
    assert audit.details["amount"] == "5.00 EUR"
    assert Order.objects.get(id=one).refund_status == "pending"


def test_only_whoever_may_refunds(customer: APIClient, warehouse: APIClient, manager: APIClient):
    one = confirmed(customer)
    for client in (customer, warehouse):
        assert_problem(refund(client, one), 403, "permission-denied")
    assert_problem(refund(client_of(user("eve")), one), 404)
    assert not StoredEvent.objects.filter(type="order.refund_requested").exists()


def test_a_refund_is_at_most_what_was_paid_and_is_not_refunded_yet(customer: APIClient, manager: APIClient):
    one = confirmed(customer, ("MUG-RED", 1))
    assert refund(manager, one, "9.00").status_code == 202
    problem = assert_problem(refund(manager, one, "0.91"), 422, "more-than-paid")
    assert "At most 0.90 EUR" in problem["detail"]
    assert_problem(refund(manager, one, "0.90", "USD"), 422, "wrong-currency")
    assert refund(manager, one, "0.9").status_code == 202


@pytest.mark.parametrize("amount", ["-1", "1e2", "NaN", "", "99999999999999", "1\n"])
def test_an_amount_that_is_none_is_refused(customer: APIClient, manager: APIClient, amount: str):
    assert_problem(refund(manager, confirmed(customer), amount), 400, "invalid", "#/amount/amount")


@pytest.mark.parametrize("amount", ["0", "0.00", "1.001"])
def test_an_amount_that_cannot_be_refunded_is_refused(customer: APIClient, manager: APIClient, amount: str):
    assert_problem(refund(manager, confirmed(customer), amount), 422, pointer="#/amount/amount")


def test_an_order_that_is_not_paid_cannot_be_refunded(customer: APIClient, manager: APIClient):
    pending = place(customer).json()["id"]
    assert_problem(refund(manager, pending), 409, "illegal-transition")


def test_a_refund_that_is_sent_again_with_its_key_is_made_once(customer: APIClient, manager: APIClient):
    one = confirmed(customer)
    tag = manager.get(f"{ORDERS}{one}/")["ETag"]
    first, second = (refund(manager, one, Idempotency_Key="r-1", If_Match=tag) for _ in range(2))
    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"
    assert_problem(refund(manager, one, If_Match=tag), 412, "stale-version")
    assert StoredEvent.objects.filter(type="order.refund_requested").count() == 1
