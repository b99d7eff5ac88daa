"""What no view has seen is a problem+json too, and each answer carries the request's id."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import UUIDConverter
from rest_framework.test import APIClient

from events.models import StoredEvent
from orderproject.models import User
from tests import stories
from tests.integration import echoes  # noqa: F401  declares the subscriber ECHO
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, place, product, user
from web.ids import IdConverter

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


def test_an_id_may_be_written_in_capitals(client: APIClient) -> None:
    placed = place(client)
    path = f"{ORDERS}{placed.json()['id'].upper()}/"
    assert client.get(path).json() == placed.json()
    assert client.get(f"{path}events/").status_code == 200
    assert client.post(f"{path}cancel/", {"reason": "changed my mind"}).status_code == 202


def test_every_id_in_an_address_may_be_written_in_capitals() -> None:
    converters = [
        converter for route in routes_below(get_resolver()) for converter in route.pattern.converters.values()
    ]
    assert sum(isinstance(converter, IdConverter) for converter in converters) > 15
    assert [found for found in converters if type(found) is UUIDConverter] == []


def routes_below(resolver: URLResolver) -> Iterator[URLPattern]:
    for route in resolver.url_patterns:
        yield from routes_below(route) if isinstance(route, URLResolver) else (route,)


ECHO = "tests.echo"
ENDS_OF_TIME = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
)  # fmt: skip


@pytest.mark.parametrize("moment", ENDS_OF_TIME)
def test_the_ends_of_the_calendar_are_moments_too(moment: str) -> None:
    boss = client_of(User.objects.create_superuser("boss"))
    stories.placed()
    early = moment.startswith("0001")
    found = {
        f"{name} {path}": bool(boss.get(f"{BASE}{path}/", {name: moment}).json()["results"])
        for path, names in {"events": ["since"], "orders": ["createdAfter", "createdBefore"]}.items()
        for name in names
    }
    assert found == {"since events": early, "createdAfter orders": early, "createdBefore orders": not early}
    assert boss.get(f"{BASE}dead-letters/", {"since": moment}).status_code == 200
    for name in ("since", "until"):
        body = {"subscriber": ECHO, name: moment, "dryRun": True}
        assert boss.post(f"{BASE}replays/", body).status_code < 300


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
        answer = client.get(path, headers={"X-Request-ID": bad})
        assert answer["X-Request-ID"] != bad
        assert "1 to 128 printable ASCII characters" in answer["X-Request-ID-Refused"]
    assert "X-Request-ID-Refused" not in client.get(path, headers={"X-Request-ID": "of-mine"})
    assert "X-Request-ID-Refused" not in client.get(path)


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

    monkeypatch.setattr("orders.placing.accepting.ordered", broken)
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
