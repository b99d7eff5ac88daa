"""How often one may ask, and what one is told of it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from rest_framework.test import APIClient

from events.db import valkey
from orderproject.accounts import api_keys
from orderproject.accounts.auth import access_token
from orderproject.api import limits
from orderproject.api.limits import Quota, take
from orderproject.models import ApiKey, User
from orderproject.stack.ports import free_port
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, user

pytestmark = pytest.mark.django_db
PRODUCTS = f"{BASE}products/"
TOKEN = f"{BASE}auth/token/"


@pytest.fixture(autouse=True)
def _small(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS, settings.RATE_LIMIT_LOGIN = 3, 2, 2
    monkeypatch.setattr("orderproject.api.limits._quiet_until", 0.0)


@pytest.fixture
def address() -> str:
    """Of nobody else, in this run or the last."""
    return f"2001:db8:{random.randrange(2**16):x}:{random.randrange(2**16):x}::1"


@pytest.fixture
def customer() -> APIClient:
    return client_of(user())


def told(response: Any) -> tuple[str, ...]:
    return tuple(response[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset"))


def test_every_answer_tells_what_is_left(customer: APIClient) -> None:
    assert [told(customer.get(ORDERS)) for _ in range(3)] == [("3", "2", "20"), ("3", "1", "40"), ("3", "0", "60")]
    assert customer.get(ORDERS)["RateLimit-Policy"] == "3;w=60"


def test_who_asks_too_often_is_refused_and_told_when_to_come_back(customer: APIClient) -> None:
    for _ in range(3):
        assert customer.get(ORDERS).status_code == 200
    refused = customer.get(ORDERS)
    problem = assert_problem(refused, 429, "too-many-requests")
    assert problem["detail"] == "You exceeded the limit of 3 requests per minute. Try again in 20 s."
    assert (refused["Retry-After"], told(refused)[1]) == ("20", "0")


@pytest.mark.parametrize("path", ["nothing/", f"orders/{UUID(int=4)}/", "orders/", "stock/"])
@pytest.mark.parametrize("method", ["get", "put", "post"])
def test_errors_count_and_tell_too(customer: APIClient, method: str, path: str) -> None:
    assert told(getattr(customer, method)(f"{BASE}{path}"))[1] == "2"


def test_callers_do_not_share(customer: APIClient) -> None:
    for _ in range(4):
        customer.get(ORDERS)
    assert client_of(user()).get(ORDERS).status_code == 200


def test_a_user_is_one_caller_under_every_token_and_a_key_is_another() -> None:
    owner = user()
    for _ in range(3):
        assert client_of(owner).get(ORDERS).status_code == 200
    assert client_of(owner).get(ORDERS).status_code == 429
    server = client_of(None)
    server.credentials(HTTP_AUTHORIZATION=f"Api-Key {api_keys.issue(ApiKey(user=owner, name='x'), actor='boss')}")
    assert server.get(ORDERS).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer x", "Bearer a.b.c", "Api-Key x.y", "Basic eDp5"])
def test_strangers_count_by_address_whatever_they_claim(address: str, header: str) -> None:
    client = APIClient(REMOTE_ADDR=address)
    statuses = [client.get(ORDERS, headers={"Authorization": header}).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    assert APIClient(REMOTE_ADDR=address.replace("db8", "db9")).get(ORDERS).status_code == 401


def test_a_host_with_many_addresses_is_one_stranger(address: str) -> None:
    statuses = [APIClient(REMOTE_ADDR=f"{address}{n}").get(PRODUCTS).status_code for n in range(3)]
    assert statuses == [200, 200, 429]


def test_behind_our_proxy_each_client_counts_by_itself(settings: Any, address: str) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    proxied = APIClient(REMOTE_ADDR="10.0.0.1")
    for client, expected in ((address, [200, 200, 429]), (address.replace("db8", "db9"), [200])):
        forged = f"198.51.100.{random.randrange(256)}, {client}"
        asked = [proxied.get(PRODUCTS, headers={"X-Forwarded-For": forged}).status_code for _ in expected]
        assert asked == expected


def test_log_ins_have_a_limit_of_their_own_over_all_users(address: str) -> None:
    client = APIClient(REMOTE_ADDR=address)
    body = {"username": "nobody", "password": "x"}
    assert [client.post(TOKEN, body).status_code for _ in range(2)] == [401, 401]
    assert_problem(client.post(f"{TOKEN}refresh/", {"refresh": "x"}), 429, "too-many-requests")
    assert client.get(PRODUCTS).status_code == 200


def test_the_log_in_of_the_admin_is_limited_with_them(address: str) -> None:
    client = Client(REMOTE_ADDR=address)
    login = {"username": "nobody", "password": "x"}
    assert client.get("/admin/login/").status_code == 200
    assert [client.post("/admin/login/", login).status_code for _ in range(3)] == [200, 200, 429]
    assert APIClient(REMOTE_ADDR=address).post(TOKEN, login).status_code == 429


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/admin/login/", "/nothing"])
def test_what_is_not_the_api_is_not_limited(address: str, path: str) -> None:
    client = Client(REMOTE_ADDR=address)
    for _ in range(4):
        response = client.get(path)
        assert response.status_code != 429
        assert "RateLimit-Limit" not in response


def test_zero_is_no_limit(settings: Any, customer: APIClient) -> None:
    settings.RATE_LIMIT = 0
    for _ in range(5):
        response = customer.get(ORDERS)
        assert response.status_code == 200
        assert "RateLimit-Limit" not in response


def test_a_refused_body_is_read_to_its_end(customer: APIClient) -> None:
    """Or the connection would be reset before the client has read why."""
    for _ in range(3):
        customer.get(ORDERS)
    refused = customer.generic("POST", ORDERS, "a" * 100_000, content_type="application/json")
    assert refused.status_code == 429
    assert refused.wsgi_request._stream.read() == b""


def test_without_valkey_everybody_is_let_through(settings: Any, customer: APIClient) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    valkey.client.cache_clear()
    try:
        answers = [customer.get(ORDERS) for _ in range(5)]
    finally:
        valkey.client.cache_clear()
    assert [answer.status_code for answer in answers] == [200] * 5
    assert "RateLimit-Limit" not in answers[-1]


def test_a_server_that_forgot_the_script_is_told_it_again(customer: APIClient) -> None:
    customer.get(ORDERS)
    valkey.client().script_flush()
    assert told(customer.get(ORDERS))[1] == "1"


def test_who_a_request_is_from_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    known = api_keys.known

    def counting(text: str) -> api_keys.Known:
        asked.append(text)
        return known(text)

    monkeypatch.setattr("orderproject.accounts.api_keys.known", counting)
    client = client_of(None)
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {api_keys.issue(ApiKey(user=user(), name='x'), actor='boss')}")
    assert client.get(ORDERS).status_code == 200
    assert len(asked) == 1


# --- the quota itself ------------------------------------------------------------------------------------


@pytest.fixture
def quota() -> Quota:
    return Quota(f"test:{random.getrandbits(64)}", 600)


def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script with a clock that the test turns, in seconds."""
    moment = [1_000_000.0]
    script = limits.SCRIPT.read_text().replace("redis.call('TIME')", "{tonumber(ARGV[3]), 0}")
    run = valkey.client().register_script(script)
    monkeypatch.setattr("orderproject.api.limits._script", lambda: lambda k, a, c: run(k, [*a, moment[0]], c))
    return moment


def test_a_whole_minute_may_be_used_at_once_and_comes_back_evenly(
    monkeypatch: pytest.MonkeyPatch, quota: Quota
) -> None:
    moment = clock(monkeypatch)
    verdicts = [take(quota) for _ in range(601)]
    assert [bool(verdict and verdict.wait) for verdict in verdicts] == [False] * 600 + [True]
    moment[0] += 1
    again = [take(quota) for _ in range(11)]
    assert [bool(verdict and verdict.wait) for verdict in again] == [False] * 10 + [True]
    moment[0] += 60
    whole = take(quota)
    assert whole is not None
    assert (whole.remaining, whole.reset) == (599, 1)


def test_at_once_from_many_threads_nobody_gets_more(quota: Quota) -> None:
    few = Quota(quota.name, 50)
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: take(few), range(120)))
    assert 50 <= sum(1 for verdict in verdicts if verdict and not verdict.wait) <= 55  # some come back meanwhile


def test_a_limit_beyond_what_the_clock_can_tell_apart_still_counts(quota: Quota) -> None:
    verdict = take(Quota(quota.name, 10**9))
    assert verdict is not None
    assert verdict.wait == 0


def test_a_quota_that_is_whole_again_is_forgotten(quota: Quota) -> None:
    take(quota)
    assert 0 < valkey.client().pttl(f"limit:{quota.name}") <= 100


def test_a_token_for_another_user_is_another_quota() -> None:
    ada, bob = user(), user()
    assert isinstance(ada, User)
    for one in (ada, bob):
        client = client_of(None)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(one)}")
        assert told(client.get(ORDERS))[1] == "2"
