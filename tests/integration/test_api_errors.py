"""What no view has seen is a problem+json too, and each answer carries the request's id."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from events.models import StoredEvent
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    product()
    return client_of(user())


@pytest.mark.parametrize(
    "path",
    [
        "nothing/",
        "orders",
        "orders/not-a-uuid/",
        "orders/not-a-uuid/cancel/",
        "orders/%00/",
        f"orders/{UUID(int=4)}/nothing/",
        "products",
        "../../etc/passwd",
        "",
        "%ff/",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_path(client: APIClient, method: str, path: str) -> None:
    assert_problem(getattr(client, method)(f"{BASE}{path}"), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "orders/"),
        ("delete", "orders/"),
        ("patch", f"orders/{UUID(int=4)}/"),
        ("get", f"orders/{UUID(int=4)}/cancel/"),
        ("post", f"orders/{UUID(int=4)}/events/"),
        ("put", "products/"),
        ("delete", "products/MUG-RED/"),
        ("get", "auth/token/"),
        ("options", "orders/"),
    ],
)
def test_a_wrong_method(client: APIClient, method: str, path: str) -> None:
    response = getattr(client, method)(f"{BASE}{path}")
    assert_problem(response, 405, "method-not-allowed")
    assert response["Allow"]


def test_head_is_get_without_a_body(client: APIClient) -> None:
    response = client.head(ORDERS)
    assert (response.status_code, response.content) == (200, b"")


def test_too_many_parameters(client: APIClient) -> None:
    query = "&".join(f"p{number}=1" for number in range(2000))
    assert_problem(client.get(f"{ORDERS}?{query}"), 400)


def test_a_host_that_is_not_ours(client: APIClient) -> None:
    assert_problem(client.get(ORDERS, headers={"Host": "evil.example"}), 400, "bad-request")


@pytest.mark.parametrize("path", [ORDERS, f"{BASE}nothing/", f"{BASE}products/", "/livez", "/readyz", "/admin/"])
def test_every_answer_carries_an_id(client: APIClient, path: str) -> None:
    assert client.get(path, headers={"X-Request-ID": "of-mine"})["X-Request-ID"] == "of-mine"
    made = {client.get(path)["X-Request-ID"] for _ in range(2)}
    assert len(made) == 2
    for bad in ("with space", "x" * 129, "ä", ""):
        assert client.get(path, headers={"X-Request-ID": bad})["X-Request-ID"] != bad


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_taken_over_or_made_and_answered(client: APIClient) -> None:
    assert client.get(ORDERS, headers={"traceparent": TRACE})["traceparent"] == TRACE
    wrong = ("", "x", TRACE.upper(), f"{TRACE}-00", f"ff{TRACE[2:]}", f"00-{'0' * 32}-b7ad6b7169203331-01")
    made = {client.get(ORDERS, headers={"traceparent": trace})["traceparent"] for trace in wrong}
    assert len(made) == len(wrong)
    assert all(len(trace) == len(TRACE) and trace not in wrong for trace in made)


def test_what_follows_from_a_request_bears_its_id_and_its_trace(client: APIClient) -> None:
    placed = place(client)
    (event,) = StoredEvent.objects.filter(type="order.created")
    assert (event.correlation_id, event.traceparent) == (placed["X-Request-ID"], placed["traceparent"])


@pytest.mark.parametrize("path", [ORDERS, f"{BASE}auth/token/", f"{BASE}stock/adjust/", f"{BASE}orders/bulk/"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b'{"a": "\x00"}', 400), (b'{"\xff": 1}', 400), (b'{"unknown": 1}', 400), (b" " * 1_048_577, 413)],
    ids=["broken", "nul", "no utf-8", "unknown field", "too large"],
)
def test_a_body_that_cannot_be_is_told_so_everywhere(path: str, body: Any, status: int) -> None:
    staff = client_of(user("staff", "inventory.change_stock"))
    response = staff.generic("POST", path, body, "application/json", headers={"Idempotency-Key": "k"})
    assert_problem(response, status)


def test_a_page_for_people_stays_a_page(client: APIClient) -> None:
    response = client.get("/nothing")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_what_nobody_foresaw_is_a_500_that_tells_nothing(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("orders.accepting.ordered", broken)
    response = place(client)
    assert_problem(response, 500, "internal-error")
    assert b"secret" not in response.content


@pytest.fixture
def database_away() -> Iterator[None]:
    def refuse(*_: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.parametrize("path", ["orders/", "products/", f"orders/{UUID(int=4)}/", f"orders/{UUID(int=4)}/events/"])
def test_without_the_database_reading_is_a_503(client: APIClient, database_away: None, path: str) -> None:
    response = client.get(f"{BASE}{path}")
    assert_problem(response, 503, "unavailable")
    assert int(response["Retry-After"]) > 0


def test_without_the_database_writing_is_a_503(client: APIClient, database_away: None) -> None:
    assert_problem(place(client), 503, "unavailable")
    assert_problem(client.post(f"{BASE}auth/token/", {"username": "a", "password": "b"}), 503, "unavailable")
