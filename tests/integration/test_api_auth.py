"""Logging in, staying logged in, and how often one may try."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from orderproject.models import User
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, user

pytestmark = pytest.mark.django_db
TOKEN = f"{BASE}auth/token/"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada(quick_hashes: None) -> User:
    made = user("ada")
    made.set_password(PASSWORD)
    made.save()
    return made


@pytest.fixture
def client() -> APIClient:
    return client_of(None)


def log_in(client: APIClient, username: str = "ada", password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(TOKEN, {"username": username, "password": password}, **extra)


def with_token(token: Any) -> APIClient:
    client = client_of(None)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_logging_in_and_going_on(client: APIClient, ada: User) -> None:
    tokens = log_in(client).json()
    assert tokens.keys() == {"access", "refresh"}
    assert with_token(tokens["access"]).get(ORDERS).status_code == 200
    fresh = client.post(f"{TOKEN}refresh/", {"refresh": tokens["refresh"]})
    assert fresh.json().keys() == {"access"}
    assert with_token(fresh.json()["access"]).get(ORDERS).status_code == 200
    ada.refresh_from_db()
    assert ada.last_login is not None


def test_the_token_says_who_and_what_may(ada: User) -> None:
    group = Group.objects.create(name="managers")
    group.permissions.add(
        Permission.objects.get(codename="cancel_order"), Permission.objects.get(codename="view_order")
    )
    group.permissions.add(Permission.objects.get(codename="add_session"))
    ada.groups.add(group)
    token = AccessToken(log_in(client_of(None)).json()["access"])
    assert token["username"] == "ada"
    assert (token["is_staff"], token["is_superuser"]) == (False, False)
    assert token["permissions"] == ["orders.cancel_order", "orders.view_order"]


def test_a_refreshed_token_has_the_rights_of_today(client: APIClient, ada: User) -> None:
    refresh = log_in(client).json()["refresh"]
    ada.user_permissions.add(Permission.objects.get(codename="view_order"))
    access = client.post(f"{TOKEN}refresh/", {"refresh": refresh}).json()["access"]
    assert AccessToken(access)["permissions"] == ["orders.view_order"]


def test_a_request_asks_nobody_who_is_calling(ada: User, django_assert_num_queries: Any) -> None:
    client = client_of(ada)
    with django_assert_num_queries(1):
        assert client.get(ORDERS).json()["results"] == []


@pytest.mark.usefixtures("ada")
def test_wrong_names_and_passwords_are_refused_alike(client: APIClient) -> None:
    wrong = assert_problem(log_in(client, password="wrong"), 401, "authentication-failed")
    unknown = assert_problem(log_in(client, username="nobody"), 401, "authentication-failed")
    assert wrong == unknown


def test_who_was_switched_off_is_refused(client: APIClient, ada: User) -> None:
    refresh = log_in(client).json()["refresh"]
    ada.is_active = False
    ada.save()
    assert_problem(log_in(client), 401)
    assert_problem(client.post(f"{TOKEN}refresh/", {"refresh": refresh}), 401, "token-not-valid")


def test_a_log_in_ends_with_the_password(client: APIClient, ada: User) -> None:
    refresh = log_in(client).json()["refresh"]
    ada.set_password("another horse battery")
    ada.save()
    refused = assert_problem(client.post(f"{TOKEN}refresh/", {"refresh": refresh}), 401, "token-not-valid")
    assert "Log in again" in refused["detail"]
    again = log_in(client, password="another horse battery").json()["refresh"]
    assert client.post(f"{TOKEN}refresh/", {"refresh": again}).status_code == 200


def test_an_access_token_ends_in_time_however_it_was_had(client: APIClient, ada: User, settings: Any) -> None:
    """So whatever its user has lost since works at most that much longer."""
    tokens = log_in(client).json()
    refreshed = client.post(f"{TOKEN}refresh/", {"refresh": tokens["refresh"]}).json()
    lifetime = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    for text in (tokens["access"], refreshed["access"]):
        token = AccessToken(text)
        assert token["exp"] - token["iat"] == lifetime.total_seconds() <= 15 * 60


def test_a_session_of_the_admin_ends_with_the_password_and_with_the_user(ada: User) -> None:
    ada.is_staff = ada.is_superuser = True
    ada.save()
    for change in (lambda: ada.set_password("another horse"), lambda: setattr(ada, "is_active", False)):
        browser = Client()
        browser.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
        assert browser.get("/admin/").status_code == 200
        change()
        ada.save()
        assert browser.get("/admin/").status_code == 302


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_may_be_written_in_any_case(client: APIClient, ada: User, scheme: str) -> None:
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {log_in(client).json()['access']}")
    assert client.get(ORDERS).status_code == 200


@pytest.mark.usefixtures("ada")
def test_attempts_are_limited_by_user_and_address(client: APIClient) -> None:
    answers = [log_in(client, password="wrong") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    locked = log_in(client)
    assert_problem(locked, 429, "too-many-attempts")
    assert locked["Retry-After"] == "900"
    assert log_in(client, REMOTE_ADDR="10.0.0.9").status_code == 200
    user("bob")
    assert log_in(client, username="bob", password="wrong").status_code == 401


@pytest.mark.usefixtures("ada")
def test_attempts_count_for_the_client_behind_our_proxy_and_for_nobody_else(client: APIClient, settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    behind: dict[str, Any] = {"REMOTE_ADDR": "10.0.0.1"}
    for invented in range(5):
        forged = {"X-Forwarded-For": f"198.51.100.{invented}, 203.0.113.5"}
        log_in(client, password="wrong", headers=forged, **behind)
    assert log_in(client, headers={"X-Forwarded-For": "203.0.113.5"}, **behind).status_code == 429
    assert log_in(client, headers={"X-Forwarded-For": "203.0.113.6"}, **behind).status_code == 200


@pytest.mark.usefixtures("ada")
def test_who_is_no_proxy_of_ours_cannot_hide(client: APIClient) -> None:
    for invented in range(5):
        log_in(client, password="wrong", headers={"X-Forwarded-For": f"198.51.100.{invented}"})
    assert_problem(log_in(client, headers={"X-Forwarded-For": "198.51.100.99"}), 429, "too-many-attempts")


def test_the_admin_counts_the_same_attempts(client: APIClient, ada: User) -> None:
    ada.is_staff = True
    ada.save()
    browser, wrong = Client(), {"username": "ada", "password": "wrong"}
    answers = [browser.post("/admin/login/", wrong) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert answers[-1]["Retry-After"] == "900"
    assert browser.post("/admin/login/", {**wrong, "password": PASSWORD}).status_code == 429
    assert_problem(log_in(client), 429, "too-many-attempts")
    assert browser.post("/admin/login/", {**wrong, "password": PASSWORD}, REMOTE_ADDR="10.0.0.9").status_code == 302


@pytest.mark.parametrize("length", [151, 255, 256, 5000])
def test_a_name_of_any_length_is_a_wrong_name(client: APIClient, length: int) -> None:
    wrong = {"username": "a" * length, "password": "wrong"}
    answers = [Client().post("/admin/login/", wrong).status_code for _ in range(5)]
    assert answers == [200] * 4 + [429]
    assert_problem(log_in(client, username="a" * length), 400, "invalid", "#/username")


@pytest.mark.usefixtures("ada")
def test_a_success_forgets_the_failures(client: APIClient) -> None:
    for _ in range(3):
        for _ in range(3):
            assert log_in(client, password="wrong").status_code == 401
        assert log_in(client).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"username": "ada"}, {"username": 1, "password": "x"}, {"username": "a\0", "password": "x"}, [], "x"]
)
def test_a_log_in_that_does_not_fit(client: APIClient, body: Any) -> None:
    assert_problem(client.post(TOKEN, body), 400)


@pytest.mark.parametrize("body", [{}, {"refresh": None}, {"refresh": "x", "more": 1}])
def test_a_refresh_that_does_not_fit(client: APIClient, body: Any) -> None:
    assert_problem(client.post(f"{TOKEN}refresh/", body), 400, "invalid")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ä", "eyJhbGciOiJub25lIn0.e30."])
def test_a_refresh_token_that_is_none(client: APIClient, token: str) -> None:
    assert_problem(client.post(f"{TOKEN}refresh/", {"refresh": token}), 401, "token-not-valid")


def test_an_access_token_does_not_refresh_and_a_refresh_token_gives_no_access(client: APIClient, ada: User) -> None:
    tokens = log_in(client).json()
    assert_problem(client.post(f"{TOKEN}refresh/", {"refresh": tokens["access"]}), 401)
    assert_problem(with_token(tokens["refresh"]).get(ORDERS), 401, "token-not-valid")


def test_an_expired_token(ada: User) -> None:
    token = AccessToken.for_user(ada)
    token.set_exp(lifetime=-timedelta(seconds=1))
    response = with_token(token).get(ORDERS)
    assert_problem(response, 401, "token-not-valid")
    assert response["WWW-Authenticate"].startswith("Bearer")
    refresh = RefreshToken.for_user(ada)
    refresh.set_exp(lifetime=-timedelta(seconds=1))
    assert_problem(client_of(None).post(f"{TOKEN}refresh/", {"refresh": str(refresh)}), 401)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer a b", "Basic YTpi", "ä", "Bearer ä.ö.ü"]
)
def test_a_header_that_is_no_token(client: APIClient, header: str) -> None:
    assert_problem(client.get(ORDERS, headers={"Authorization": header}), 401)
