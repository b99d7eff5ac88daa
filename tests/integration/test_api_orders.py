"""Reading orders: whose, which, in what order, and what of the payment shows."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from desk.models import Audit
from events import Conflict, Event, Money
from events.log.append import emit
from orderproject.models import User
from orders.models import Order
from payments.events import PaymentAuthorized, PaymentFailed, PaymentRefunded, PaymentSucceeded, PaymentVoided
from tests.integration.api import ORDERS, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> User:
    return user("ada")


@pytest.fixture
def client(customer: User) -> APIClient:
    product("MUG-RED")
    product("TEAPOT")
    return client_of(customer)


@pytest.fixture
def manager() -> APIClient:
    return client_of(user("manager", "orders.view_order", "orders.cancel_order", is_staff=True))


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [order["id"] for order in response.json()["results"]]


def placed(client: APIClient, count: int, sku: str = "MUG-RED") -> list[str]:
    return [place(client, (sku, 1)).json()["id"] for _ in range(count)]


def test_a_customer_sees_only_its_own(client: APIClient) -> None:
    product("SPOON")
    other = client_of(user())
    theirs = place(other, ("SPOON", 1)).json()["id"]
    mine = placed(client, 2)
    assert ids(client.get(ORDERS)) == mine[::-1]
    for path in ("", "events/"):
        assert_problem(client.get(f"{ORDERS}{theirs}/{path}"), 404, "not-found")
    assert_problem(client.post(f"{ORDERS}{theirs}/cancel/", {"reason": "no"}), 404, "not-found")
    assert_problem(client.get(f"{ORDERS}{uuid4()}/"), 404, "not-found")


def test_staff_see_all_if_they_may(client: APIClient, manager: APIClient) -> None:
    mine = placed(client, 1)
    assert ids(manager.get(ORDERS)) == mine
    assert manager.get(f"{ORDERS}{mine[0]}/").status_code == 200
    assert manager.get(f"{ORDERS}{mine[0]}/events/").status_code == 200
    assert ids(client_of(user(is_staff=True)).get(ORDERS)) == []
    assert ids(client_of(user(is_superuser=True)).get(ORDERS)) == mine


def test_pages_lead_through_all_and_back(client: APIClient) -> None:
    mine = placed(client, 7)[::-1]
    first = client.get(f"{ORDERS}?limit=3").json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()
    assert [[order["id"] for order in page["results"]] for page in (first, second, third)] == [
        mine[:3],
        mine[3:6],
        mine[6:],
    ]
    assert first["previous"] is None
    assert third["next"] is None
    back = client.get(third["previous"]).json()
    assert [order["id"] for order in back["results"]] == mine[3:6]
    assert client.get(back["previous"]).json() == {**first, "next": client.get(back["previous"]).json()["next"]}


def test_a_page_stays_where_it_is_while_orders_come_in(client: APIClient) -> None:
    mine = placed(client, 4)[::-1]
    first = client.get(f"{ORDERS}?limit=2").json()
    placed(client, 3)
    assert ids(client.get(first["next"])) == mine[2:]


def test_no_orders_are_a_page_too(client: APIClient) -> None:
    assert client.get(ORDERS).json() == {"next": None, "previous": None, "results": []}


def test_ordering(client: APIClient) -> None:
    mine = placed(client, 3)
    assert ids(client.get(f"{ORDERS}?ordering=createdAt&limit=2")) == mine[:2]
    assert ids(client.get(f"{ORDERS}?ordering=-createdAt")) == mine[::-1]


def test_filters(client: APIClient, manager: APIClient, customer: User) -> None:
    mugs, pots = placed(client, 2), placed(client, 1, "TEAPOT")
    other = placed(client_of(user()), 1)
    cancelled = Order.objects.get(id=mugs[0])
    cancelled.cancel("changed-mind")
    cancelled.save()

    assert ids(client.get(f"{ORDERS}?status=cancelled")) == mugs[:1]
    assert ids(client.get(f"{ORDERS}?sku=TEAPOT")) == pots
    assert ids(client.get(f"{ORDERS}?sku=NONE")) == []
    assert ids(client.get(f"{ORDERS}?status=pending&sku=MUG-RED")) == mugs[1:]
    assert ids(manager.get(ORDERS, {"customer": str(customer.id)})) == [*mugs, *pots][::-1]
    assert ids(manager.get(ORDERS, {"customer": str(uuid4())})) == []
    assert other[0] in ids(manager.get(ORDERS))


def test_filters_by_time(client: APIClient) -> None:
    mine = placed(client, 3)
    middle = Order.objects.get(id=mine[1]).created_at
    assert ids(client.get(ORDERS, {"createdAfter": middle.isoformat()})) == mine[2:]
    assert ids(client.get(ORDERS, {"createdBefore": middle.isoformat()})) == mine[:1]
    day = timedelta(days=1)
    both = {"createdAfter": (middle - day).isoformat(), "createdBefore": (middle + day).isoformat()}
    assert len(ids(client.get(ORDERS, both))) == 3
    for far in ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:00:00Z"):
        assert len(ids(client.get(ORDERS, {"createdAfter": far}))) == 3
        assert ids(client.get(ORDERS, {"createdBefore": far})) == []
    for far in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"):
        assert len(ids(client.get(ORDERS, {"createdBefore": far}))) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "lost"),
        ("status", "pending\0"),
        ("createdAfter", "yesterday"),
        ("createdAfter", "2026-02-30T00:00:00Z"),
        ("createdBefore", "99999-01-01T00:00:00Z"),
        ("createdBefore", "2026-01-01T00:00:00 00:00"),
        ("sku", "\0"),
        ("sku", "s" * 65),
        ("ordering", "total"),
        ("ordering", "--createdAt"),
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "-1"),
        ("limit", "²"),
        ("limit", "9" * 5000),
        ("cursor", "ä\0:::"),
        ("createdAfter", ""),
        ("colour", "red"),
        ("Status", "pending"),
    ],
)
def test_a_wrong_parameter_is_named(client: APIClient, name: str, value: str) -> None:
    assert_problem(client.get(ORDERS, {name: value}), 400, "invalid", f"?{name}")


@pytest.mark.parametrize("cursor", ["x", "", "W10:1vX:abc"])
def test_a_cursor_that_is_none_of_ours_leads_nowhere(client: APIClient, cursor: str) -> None:
    assert_problem(client.get(ORDERS, {"cursor": cursor}), 422, "invalid", "?cursor")


def test_a_wrong_customer_is_named(manager: APIClient) -> None:
    assert_problem(manager.get(f"{ORDERS}?customer=me"), 400, "invalid", "?customer")


def test_the_customer_filter_is_for_staff(client: APIClient, customer: User) -> None:
    assert_problem(client.get(ORDERS, {"customer": str(customer.id)}), 403, "permission-denied")


def test_a_cursor_of_another_ordering_is_refused(client: APIClient) -> None:
    placed(client, 2)
    cursor = client.get(f"{ORDERS}?limit=1").json()["next"]
    assert_problem(client.get(f"{cursor}&ordering=createdAt"), 422, "invalid", "?cursor")


def test_a_list_costs_the_same_however_long_it_is(client: APIClient, django_assert_num_queries: Any) -> None:
    placed(client, 1)
    with django_assert_num_queries(3):
        assert len(ids(client.get(ORDERS))) == 1
    placed(client, 19)
    with django_assert_num_queries(3):
        assert len(ids(client.get(ORDERS))) == 20


def test_one_order_costs_three_statements(client: APIClient, django_assert_num_queries: Any) -> None:
    (one,) = placed(client, 1)
    with django_assert_num_queries(3):
        client.get(f"{ORDERS}{one}/")


# --- the payment, from the log ---------------------------------------------------------------------------------

HELD = "auth-1"


@pytest.mark.parametrize(
    ("happened", "status", "reason"),
    [
        ((), "pending", None),
        (("authorized",), "authorized", None),
        (("authorized", "succeeded"), "succeeded", None),
        (("failed",), "failed", "card_declined"),
        (("authorized", "failed", "voided"), "voided", "card_declined"),
        (("authorized", "voided"), "voided", None),
        (("authorized", "succeeded", "refunded"), "refunded", None),
    ],
)
def test_the_payment_is_told(client: APIClient, happened: tuple[str, ...], status: str, reason: str | None) -> None:
    other, one = placed(client, 2)
    money = Money(Order.objects.get(id=one).total, "EUR")
    order_id = Order.objects.get(id=one).id
    known: dict[str, Event] = {
        "authorized": PaymentAuthorized(order_id=order_id, amount=money, authorization_id=HELD),
        "succeeded": PaymentSucceeded(order_id=order_id, amount=money),
        "failed": PaymentFailed(order_id=order_id, reason="card_declined"),
        "voided": PaymentVoided(order_id=order_id),
        "refunded": PaymentRefunded(order_id=order_id, amount=money, refund_id="re-1"),
    }
    tags = [client.get(f"{ORDERS}{one}/")["ETag"]]
    for name in happened:
        emit([known[name]])
        tags.append(client.get(f"{ORDERS}{one}/")["ETag"])

    payments = {order["id"]: order["payment"] for order in client.get(ORDERS).json()["results"]}
    refund = {"status": "succeeded", "amount": {"amount": str(money.amount), "currency": "EUR"}}
    told = {"status": status, "reason": reason} | ({"refund": refund} if status == "refunded" else {})
    assert payments == {one: told, other: {"status": "pending", "reason": None}}
    assert client.get(f"{ORDERS}{one}/").json()["payment"] == payments[one]
    assert len(set(tags)) == len(happened) + 1


# --- what clients have already ---------------------------------------------------------------------------------


def test_what_the_client_has_is_not_sent_again(client: APIClient) -> None:
    (one,) = placed(client, 1)
    path = f"{ORDERS}{one}/"
    tag = client.get(path)["ETag"]
    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = client.get(path, headers={"If-None-Match": header})
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", tag)
        assert response["X-Request-ID"]
    for header in ('"other"', "nonsense", ""):
        assert client.get(path, headers={"If-None-Match": header}).status_code == 200
    order = Order.objects.get(id=one)
    order.confirm()
    order.save()
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


# --- cancelling ------------------------------------------------------------------------------------------------


def cancel(client: APIClient, order_id: str, body: Any = None, **headers: str) -> Any:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{ORDERS}{order_id}/cancel/", body or {"reason": "by mistake"}, headers=headers)


def confirmed(client: APIClient) -> str:
    (one,) = placed(client, 1)
    order = Order.objects.get(id=one)
    order.confirm()
    order.save()
    return one


def test_a_confirmed_order_is_cancelled_at_once(client: APIClient) -> None:
    one = confirmed(client)
    response = cancel(client, one, {"reason": "by mistake"})
    assert response.status_code == 202
    body = response.json()
    assert (body["status"], body["cancelReason"], body["version"]) == ("cancelled", "by mistake", 3)
    read = client.get(f"{ORDERS}{one}/")
    assert (read.json(), read["ETag"]) == (body, response["ETag"])


def test_a_pending_order_is_asked_to_turn_back(client: APIClient) -> None:
    (one,) = placed(client, 1)
    before = client.get(f"{ORDERS}{one}/")["ETag"]
    response = cancel(client, one)
    assert (response.status_code, response.json()["status"]) == (202, "pending")
    assert response["ETag"] != before
    assert Order.objects.get(id=one).cancel_request == "by mistake"


def test_what_is_cancelled_cannot_be_cancelled(client: APIClient) -> None:
    one = confirmed(client)
    cancel(client, one)
    assert_problem(cancel(client, one), 409, "illegal-transition")


def test_if_match_is_honoured(client: APIClient) -> None:
    one = confirmed(client)
    stale = client.get(f"{ORDERS}{one}/")["ETag"].replace("2-", "1-")
    assert_problem(cancel(client, one, If_Match=stale), 412, "stale-version")
    assert_problem(cancel(client, one, If_Match="nonsense"), 412, "stale-version")
    assert_problem(cancel(client, one, If_Match=f"W/{client.get(f'{ORDERS}{one}/')['ETag']}"), 412, "stale-version")
    assert cancel(client, one, If_Match=client.get(f"{ORDERS}{one}/")["ETag"]).status_code == 202


def test_if_match_with_an_asterisk_takes_any(client: APIClient) -> None:
    assert cancel(client, confirmed(client), If_Match="*").status_code == 202


@pytest.mark.parametrize("body", [{"reason": ""}, {"reason": "r" * 101}, {"reason": 1}, {"reason": "\0"}, {"why": "x"}])
def test_a_reason_is_needed(client: APIClient, body: Any) -> None:
    (one,) = placed(client, 1)
    assert_problem(cancel(client, one, body), 400, "invalid")


def test_the_longest_reason_is_kept(client: APIClient) -> None:
    assert cancel(client, confirmed(client), {"reason": "r" * 100}).json()["cancelReason"] == "r" * 100
    assert cancel(client, placed(client, 1)[0], {"reason": "r" * 100}).status_code == 202


def test_staff_need_the_permission(client: APIClient, manager: APIClient) -> None:
    one = confirmed(client)
    auditor = client_of(user("auditor", "orders.view_order", is_staff=True))
    assert_problem(cancel(auditor, one), 403, "permission-denied")
    assert cancel(manager, one).status_code == 202


def test_what_staff_cancel_is_in_the_audit_and_what_customers_cancel_is_not(
    client: APIClient, manager: APIClient
) -> None:
    one, (pending,) = confirmed(client), placed(client, 1)
    assert cancel(client, confirmed(client)).status_code == 202
    assert cancel(manager, one).status_code == 202
    assert_problem(cancel(manager, one), 409, "illegal-transition")
    assert cancel(manager, pending, {"reason": "asked by phone"}).status_code == 202
    lines = [(one.who, one.action, one.target_kind, one.target_ids, one.reason) for one in Audit.objects.order_by("id")]
    assert lines == [
        ("manager", "cancel", "order", [one], "by mistake"),
        ("manager", "cancel", "order", [pending], "asked by phone"),
    ]


def test_a_conflict_is_a_409(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any, **__: Any) -> Order:
        raise Conflict("another transaction wrote to the same stream first")

    monkeypatch.setattr("orders.fulfilment.api.request_cancellation", lost)
    assert_problem(cancel(client, confirmed(client)), 409, "conflict")


# --- events ----------------------------------------------------------------------------------------------------


def test_the_events_of_an_order(client: APIClient, customer: User, django_assert_num_queries: Any) -> None:
    one = confirmed(client)
    cancel(client, one, X_Request_ID="of-mine")
    with django_assert_num_queries(3):
        events = client.get(f"{ORDERS}{one}/events/").json()
    assert [(event["eventType"], event["streamVersion"]) for event in events] == [
        ("order.created", 1),
        ("order.confirmed", 2),
        ("order.cancelled", 3),
    ]
    assert events[0].keys() == {
        "eventId", "eventType", "version", "timestamp", "source", "data", "stream", "streamVersion",
        "correlationId", "causationId", "traceparent",
    }  # fmt: skip
    assert {event["stream"] for event in events} == {f"order:{one}"}
    assert events[0]["data"]["customerId"] == str(customer.id)
    assert events[2]["correlationId"] == "of-mine"
