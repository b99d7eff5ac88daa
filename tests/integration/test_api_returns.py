"""Returns in steps over HTTP: who may do what, when, how much, and what the log then says."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from desk.actors import name_of
from desk.models import Audit
from events.log.verify import differences
from events.models import StoredEvent
from inventory.models import Warehouse
from orders.events import Goods
from orders.fulfilment.service import deliver, ship
from orders.models import Order, Return
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db
RETURNS = f"{BASE}returns/"


@pytest.fixture
def customer() -> APIClient:
    product("MUG-RED")
    product("TEAPOT", price="34.50")
    return client_of(user("ada"))


@pytest.fixture
def manager() -> APIClient:
    return client_of(user("manager", "orders.view_order", "orders.approve_return", is_staff=True))


@pytest.fixture
def warehouse() -> APIClient:
    return client_of(user("warehouse", "orders.view_order", "orders.receive_return", is_staff=True))


def delivered(customer: APIClient) -> str:
    order = Order.objects.get(id=place(customer, ("MUG-RED", 3), ("TEAPOT", 1)).json()["id"])
    order.confirm()
    order.save()
    ship(order.id, [Goods("MUG-RED", 3), Goods("TEAPOT", 1)], carrier="DHL", tracking_number="1")
    deliver(order.id)
    return str(order.id)


def requested(customer: APIClient, order_id: str, **quantities: int) -> Any:
    names = {"mug": "MUG-RED", "pot": "TEAPOT", "spoon": "SPOON"}
    items = [{"sku": names[name], "quantity": quantity} for name, quantity in quantities.items()]
    return customer.post(f"{ORDERS}{order_id}/returns/", {"items": items, "reason": "too red"})


def act(client: APIClient, return_id: str, step: str, body: Any = None, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{RETURNS}{return_id}/{step}/", body, headers=names)


def receipt(*items: tuple[str, int, str], warehouse: str = "BER") -> dict[str, Any]:
    pieces = [{"sku": sku, "quantity": quantity, "condition": condition} for sku, quantity, condition in items]
    return {"items": pieces, "warehouse": warehouse}


def lines(client: APIClient, order_id: str) -> dict[str, int]:
    return {item["sku"]: item["returnedQuantity"] for item in client.get(f"{ORDERS}{order_id}/").json()["items"]}


def log(order_id: str) -> list[str]:
    events = StoredEvent.objects.filter(stream=f"order:{order_id}", type__startswith="order.return")
    return list(events.order_by("stream_version").values_list("type", flat=True))


def test_a_return_goes_step_by_step(customer: APIClient, manager: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer)
    asked = requested(customer, one, mug=2, pot=1)
    assert asked.status_code == 202
    taken = asked.json()
    assert (taken["status"], taken["reason"], taken["refund"]["amount"]) == ("requested", "too red", "54.30")
    assert asked["ETag"] == customer.get(f"{ORDERS}{one}/")["ETag"]
    assert lines(customer, one) == {"MUG-RED": 0, "TEAPOT": 0}

    approved = act(manager, taken["id"], "approve")
    assert (approved.status_code, approved.json()["status"]) == (202, "approved")
    assert not StoredEvent.objects.filter(type="order.returned").exists()

    body = receipt(("MUG-RED", 1, "restock"), ("MUG-RED", 1, "write_off"))
    received = act(warehouse, taken["id"], "receive", body).json()
    assert (received["status"], received["warehouse"]) == ("received", "BER")
    assert received["refund"] == {"amount": "19.80", "currency": "EUR"}
    assert received["items"] == [
        {"sku": "MUG-RED", "quantity": 2, "restocked": 1, "writtenOff": 1},
        {"sku": "TEAPOT", "quantity": 1, "restocked": 0, "writtenOff": 0},
    ]
    assert lines(customer, one) == {"MUG-RED": 2, "TEAPOT": 0}
    read = customer.get(f"{RETURNS}{taken['id']}/")
    assert (read.json(), read["ETag"]) == (received, '"received"')
    assert customer.get(f"{RETURNS}{taken['id']}/", headers={"If-None-Match": read["ETag"]}).status_code == 304
    assert log(one) == [
        "order.return_requested", "order.return_approved", "order.return_received", "order.returned",
    ]  # fmt: skip
    returned = StoredEvent.objects.get(type="order.returned").data
    assert returned["items"] == [{"sku": "MUG-RED", "quantity": 2}]
    assert (returned["refund"]["amount"], returned["complete"], returned["returnId"]) == ("19.80", False, taken["id"])
    assert list(differences()) == []


def test_the_last_piece_makes_the_order_returned(customer: APIClient, manager: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer)
    id_ = requested(customer, one, mug=3, pot=1).json()["id"]
    act(manager, id_, "approve")
    act(warehouse, id_, "receive", receipt(("MUG-RED", 3, "restock"), ("TEAPOT", 1, "write_off")))
    assert customer.get(f"{ORDERS}{one}/").json()["status"] == "returned"
    statuses = [customer.get(f"{ORDERS}{one}/?atVersion={version}").json()["status"] for version in range(4, 9)]
    assert statuses == ["delivered", "delivered", "delivered", "delivered", "returned"]
    assert_problem(requested(customer, one, mug=1), 409, "illegal-transition")


def test_what_is_open_cannot_be_requested_again_and_what_is_not_can(
    customer: APIClient, manager: APIClient, warehouse: APIClient
) -> None:
    one = delivered(customer)
    first = requested(customer, one, mug=2).json()["id"]
    assert_problem(requested(customer, one, mug=2), 422, "more-than-shipped", "#/items/0/quantity")
    assert_problem(requested(customer, one, spoon=1), 422, "not-ordered", "#/items/0/sku")
    act(manager, first, "approve")
    assert_problem(requested(customer, one, mug=2), 422, "more-than-shipped")
    act(warehouse, first, "receive", receipt(("MUG-RED", 1, "restock")))
    second = requested(customer, one, mug=2).json()["id"]
    act(manager, second, "reject", {"reason": "worn"})
    third = requested(customer, one, mug=2).json()["id"]
    assert [one.status for one in Return.objects.order_by("id")] == ["received", "rejected", "requested"]
    assert customer.get(RETURNS, {"status": "requested"}).json()["results"][0]["id"] == third
    assert list(differences()) == []


def test_nothing_may_arrive_and_nothing_is_refunded(
    customer: APIClient, manager: APIClient, warehouse: APIClient
) -> None:
    one = delivered(customer)
    id_ = requested(customer, one, mug=2).json()["id"]
    act(manager, id_, "approve")
    received = act(warehouse, id_, "receive", receipt(("MUG-RED", 0, "restock"))).json()
    assert (received["status"], received["refund"]["amount"]) == ("received", "0.00")
    assert log(one) == ["order.return_requested", "order.return_approved", "order.return_received"]
    assert StoredEvent.objects.get(type="order.return_received").data["items"] == []
    assert requested(customer, one, mug=3).status_code == 202
    assert list(differences()) == []


def test_a_rejection_tells_its_reason(customer: APIClient, manager: APIClient) -> None:
    id_ = requested(customer, delivered(customer), mug=2).json()["id"]
    rejected = act(manager, id_, "reject", {"reason": "worn"})
    assert rejected.status_code == 202
    read = customer.get(f"{RETURNS}{id_}/").json()
    assert (read["status"], read["rejectReason"], read["refund"]["amount"]) == ("rejected", "worn", "0.00")


STEPS: list[tuple[str, Any]] = [
    ("approve", None), ("reject", {"reason": "worn"}), ("receive", receipt(("MUG-RED", 1, "restock"))),
]  # fmt: skip
ALLOWED = {
    (): {"approve", "reject"}, ("approve",): {"receive"}, ("reject",): set(), ("approve", "receive"): set(),
}  # fmt: skip


@pytest.mark.parametrize("before", ALLOWED, ids=str)
def test_only_the_next_step_is_allowed(customer: APIClient, before: tuple[str, ...]) -> None:
    boss = client_of(user(is_superuser=True))
    id_ = requested(customer, delivered(customer), mug=2).json()["id"]
    for step in before:
        assert act(boss, id_, step, dict(STEPS)[step]).status_code == 202
    count = StoredEvent.objects.count()
    for step, body in STEPS:
        if step not in ALLOWED[before]:
            assert_problem(act(boss, id_, step, body), 409, "illegal-transition")
    assert StoredEvent.objects.count() == count


TOO_MANY = (("MUG-RED", 2, "restock"), ("MUG-RED", 1, "write_off"))


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (receipt(("MUG-RED", 3, "restock")), 422, "more-than-requested", "#/items/0/quantity"),
        (receipt(*TOO_MANY), 422, "more-than-requested", "#/items/1/quantity"),
        (receipt(("TEAPOT", 1, "restock")), 422, "not-requested", "#/items/0/sku"),
        (receipt(("MUG-RED", 1, "restock"), ("MUG-RED", 1, "restock")), 422, "invalid", "#/items/1/sku"),
        (receipt(("MUG-RED", 1, "restock"), warehouse="NOWHERE"), 422, "unknown-warehouse", "#/warehouse"),
        (receipt(("MUG-RED", 1, "burn")), 400, "invalid", "#/items/0/condition"),
        (receipt(("MUG-RED", -1, "restock")), 400, "invalid", "#/items/0/quantity"),
        (receipt(warehouse=""), 400, "invalid", "#/warehouse"),
        ({"items": []}, 400, "invalid", "#/warehouse"),
        ({"warehouse": "BER"}, 400, "invalid", "#/items"),
        ({**receipt(), "note": "x"}, 400, "invalid", "#/note"),
    ],
)  # fmt: skip
def test_a_wrong_receipt_is_named_and_moves_nothing(
    customer: APIClient, body: Any, status: int, code: str, pointer: str
) -> None:
    one = delivered(customer)
    id_ = requested(customer, one, mug=2).json()["id"]
    boss = client_of(user(is_superuser=True))
    act(boss, id_, "approve")
    assert_problem(act(boss, id_, "receive", body), status, code, pointer)
    assert lines(customer, one) == {"MUG-RED": 0, "TEAPOT": 0}
    assert customer.get(f"{RETURNS}{id_}/").json()["status"] == "approved"


def test_if_match_is_honoured(customer: APIClient, manager: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer)
    order_tag = customer.get(f"{ORDERS}{one}/")["ETag"]
    id_ = requested(customer, one, mug=2).json()["id"]
    stale = customer.post(
        f"{ORDERS}{one}/returns/",
        {"items": [{"sku": "MUG-RED", "quantity": 1}], "reason": "r"},
        headers={"If-Match": order_tag},
    )
    assert_problem(stale, 412, "stale-version")
    tag = manager.get(f"{RETURNS}{id_}/")["ETag"]
    assert act(manager, id_, "approve", If_Match=tag).status_code == 202
    assert_problem(act(manager, id_, "approve", If_Match=tag), 412, "stale-version")
    assert_problem(act(warehouse, id_, "receive", receipt(), If_Match=tag), 412, "stale-version")
    assert act(warehouse, id_, "receive", receipt(), If_Match="*").status_code == 202


def test_a_retry_under_the_same_key_receives_once(
    customer: APIClient, manager: APIClient, warehouse: APIClient
) -> None:
    one = delivered(customer)
    id_ = requested(customer, one, mug=2).json()["id"]
    act(manager, id_, "approve")
    body = receipt(("MUG-RED", 1, "restock"))
    first, again = (act(warehouse, id_, "receive", body, Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content) == (202, again.content)
    assert again["Idempotency-Replayed"] == "true"
    assert Audit.objects.filter(action="receive return").count() == 1


def test_who_may_do_what(customer: APIClient, manager: APIClient, warehouse: APIClient) -> None:
    id_ = requested(customer, delivered(customer), mug=2).json()["id"]
    stranger = client_of(user())
    auditor = client_of(user("auditor", "orders.view_order", is_staff=True))
    refused: list[tuple[APIClient, int, set[str]]] = [
        (stranger, 404, {"approve", "reject", "receive"}),
        (customer, 403, {"approve", "reject", "receive"}),
        (auditor, 403, {"approve", "reject", "receive"}),
        (warehouse, 403, {"approve", "reject"}),
        (manager, 403, {"receive"}),
        (client_of(None), 401, {"approve", "reject", "receive"}),
    ]
    for client, status, steps in refused:
        for step, body in STEPS:
            if step in steps:
                assert_problem(act(client, id_, step, body), status)
    assert_problem(stranger.get(f"{RETURNS}{id_}/"), 404, "not-found")
    assert_problem(customer.get(f"{RETURNS}{uuid4()}/"), 404, "not-found")
    for client in (customer, manager, warehouse, auditor):
        assert client.get(f"{RETURNS}{id_}/").status_code == 200
    assert Return.objects.get().status == "requested"


def test_the_list_shows_ones_own_by_status_and_order(customer: APIClient, manager: APIClient) -> None:
    first, second = delivered(customer), delivered(customer)
    ids = [requested(customer, one, mug=1).json()["id"] for one in (first, second, second)]
    stranger = client_of(user())
    theirs = requested(stranger, delivered(stranger), mug=1).json()["id"]
    act(manager, ids[0], "reject", {"reason": "worn"})

    def found(client: APIClient, **filters: str) -> list[str]:
        return [one["id"] for one in client.get(RETURNS, filters).json()["results"]]

    assert found(customer) == ids[::-1]
    assert found(manager) == [theirs, *ids[::-1]]
    assert found(customer, status="rejected") == [ids[0]]
    assert found(customer, order=second, ordering="createdAt") == ids[1:]
    assert found(stranger, order=second) == []
    assert_problem(customer.get(RETURNS, {"status": "lost"}), 400, "invalid")
    assert_problem(customer.get(RETURNS, {"order": "1"}), 400, "invalid")
    assert_problem(customer.get(RETURNS, {"customer": "1"}), 400, "invalid")


def test_a_page_costs_as_much_for_many_as_for_one(
    customer: APIClient, manager: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        requested(customer, delivered(customer), mug=1)
    with django_assert_max_num_queries(3):
        assert len(manager.get(RETURNS).json()["results"]) == 3


def test_each_step_of_staff_is_in_the_audit(customer: APIClient, manager: APIClient, warehouse: APIClient) -> None:
    one = delivered(customer)
    first, second = (requested(customer, one, mug=1).json()["id"] for _ in range(2))
    act(manager, first, "approve")
    act(manager, second, "reject", {"reason": "worn"})
    Warehouse.objects.create(code="RTM", name="Rotterdam")
    act(warehouse, first, "receive", receipt(("MUG-RED", 1, "restock"), warehouse="RTM"))
    audited = Audit.objects.order_by("id")
    assert all(line.actor.startswith("user:") for line in audited)
    assert [(line.who, line.action, line.target_ids, line.reason, line.details) for line in audited] == [
        ("manager", "approve return", [one], "", {"return": first}),
        ("manager", "reject return", [one], "worn", {"return": second}),
        ("warehouse", "receive return", [one], "", {"return": first, "warehouse": "RTM"}),
    ]  # fmt: skip
    assert name_of(StoredEvent.objects.get(type="order.return_received").actor) == "warehouse"


def test_the_setting_takes_back_at_once_as_before(customer: APIClient, settings: Any) -> None:
    settings.RETURNS_AUTO_APPROVE = True
    one = delivered(customer)
    taken = requested(customer, one, mug=2).json()
    assert (taken["status"], taken["items"][0]["restocked"]) == ("received", 2)
    assert log(one) == ["order.returned"]
    assert lines(customer, one) == {"MUG-RED": 2, "TEAPOT": 0}
    assert list(differences()) == []


def test_the_setting_does_not_take_back_what_is_open(customer: APIClient, settings: Any) -> None:
    one = delivered(customer)
    requested(customer, one, mug=2)
    settings.RETURNS_AUTO_APPROVE = True
    assert_problem(requested(customer, one, mug=2), 422, "more-than-shipped")
    assert requested(customer, one, mug=1).json()["status"] == "received"
