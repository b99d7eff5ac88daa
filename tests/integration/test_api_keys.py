"""API keys: what servers log in with."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from desk.actors import name_of
from desk.models import Audit
from events.models import StoredEvent
from orderproject.accounts import api_keys
from orderproject.models import ApiKey, User
from tests.integration.api import BASE, ORDERS, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db
KEYS = reverse("admin:orderproject_apikey_changelist")
ADD = reverse("admin:orderproject_apikey_add")


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    api_keys.clear_cache()


def issued(owner: User, **fields: Any) -> tuple[ApiKey, str]:
    key = ApiKey(user=owner, name="the shop's server", **fields)
    return key, api_keys.issue(key, actor="boss")


def server(text: str, scheme: str = "Api-Key") -> APIClient:
    client = client_of(None)
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {text}")
    return client


# --- at the API ------------------------------------------------------------------------------------------


def test_a_server_places_and_reads_orders_as_its_user() -> None:
    product()
    owner = user("shop")
    _, text = issued(owner)
    placed = place(server(text))
    assert placed.status_code == 201
    assert server(text, "api-key").get(placed["Location"]).status_code == 200
    assert client_of(owner).get(placed["Location"]).status_code == 200
    assert name_of(StoredEvent.objects.get(type="order.created").actor) == "shop"


def test_it_has_the_rights_of_its_user_own_and_by_group() -> None:
    manager = user("manager", "inventory.view_stock")
    group = Group.objects.create(name="readers")
    group.permissions.add(Permission.objects.get(codename="view_sagarun"))
    manager.groups.add(group)
    client = server(issued(manager)[1])
    assert client.get(f"{BASE}stock/").status_code == 200
    assert client.get(f"{BASE}sagas/").status_code == 200
    assert_problem(client.get(f"{BASE}dead-letters/"), 403)
    boss = User.objects.create_superuser("boss")
    assert server(issued(boss)[1]).get(f"{BASE}dead-letters/").status_code == 200


@pytest.mark.parametrize("wrong", ["", " ", "x", "x.y", "{prefix}", "{prefix}.", "{prefix}.x", "{text}x", "\xe4.\xf6"])
def test_what_is_no_key_is_refused(wrong: str) -> None:
    key, text = issued(user())
    response = server(wrong.format(prefix=key.prefix, text=text)).get(ORDERS)
    assert_problem(response, 401, "api-key-not-valid")
    assert response["WWW-Authenticate"] == 'Bearer realm="api", Api-Key realm="api"'


def test_the_text_itself_is_not_stored() -> None:
    key, text = issued(user())
    secret = text.removeprefix(f"{key.prefix}.")
    key.refresh_from_db()
    assert bytes(key.digest) == sha256(secret.encode()).digest()
    assert len(secret) == 43
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM orderproject_apikey k")
        assert secret not in cursor.fetchone()[0]
    assert secret not in str(Audit.objects.values_list())


def test_it_may_expire() -> None:
    now = datetime.now(UTC)
    assert_problem(server(issued(user(), expires_at=now - timedelta(seconds=1))[1]).get(ORDERS), 401)
    assert server(issued(user(), expires_at=now + timedelta(hours=1))[1]).get(ORDERS).status_code == 200


def test_it_is_not_believed_beyond_its_end() -> None:
    _, text = issued(user(), expires_at=datetime.now(UTC) + timedelta(seconds=2))
    api_keys.known(text)
    (_, until) = next(iter(api_keys._cache.values()))
    assert until < time.monotonic() + 2.1


def test_a_user_who_is_switched_off_takes_the_keys_along() -> None:
    owner = user()
    _, text = issued(owner)
    User.objects.filter(id=owner.id).update(is_active=False)
    assert_problem(server(text).get(ORDERS), 401, "api-key-not-valid")


def test_a_revoked_key_works_for_some_seconds_where_it_was_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    key, text = issued(user())
    assert server(text).get(ORDERS).status_code == 200
    assert api_keys.revoke([key], actor="boss", reason="leaked") == [key]
    assert api_keys.revoke([key], actor="boss", reason="again") == []
    assert server(text).get(ORDERS).status_code == 200
    now = time.monotonic()
    monkeypatch.setattr("orderproject.accounts.api_keys.time.monotonic", lambda: now + api_keys.KEY_CACHE_SECONDS + 0.1)
    assert_problem(server(text).get(ORDERS), 401, "api-key-not-valid")
    line = Audit.objects.get(action="revoke")
    assert (line.who, line.target_ids, line.reason) == ("boss", [key.prefix], "leaked")


def test_it_costs_one_statement_and_then_none(django_assert_num_queries: Any) -> None:
    key, text = issued(user())
    ApiKey.objects.filter(id=key.id).update(last_used_at=datetime.now(UTC))
    client = server(text)
    with django_assert_num_queries(2):
        assert client.get(ORDERS).status_code == 200
    with django_assert_num_queries(1):
        assert client.get(ORDERS).status_code == 200


def test_its_last_use_is_noted_now_and_then() -> None:
    key, text = issued(user())
    for ago, noted in ((None, True), (timedelta(minutes=5), False), (timedelta(minutes=11), True)):
        before = ago and datetime.now(UTC) - ago
        ApiKey.objects.filter(id=key.id).update(last_used_at=before)
        api_keys.clear_cache()
        server(text).get(ORDERS)
        key.refresh_from_db()
        assert (key.last_used_at != before) is noted


def test_a_process_remembers_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderproject.accounts.api_keys.MAX_CACHED", 2)
    for _ in range(5):
        assert server(issued(user())[1]).get(ORDERS).status_code == 200
        assert len(api_keys._cache) <= 2


def test_without_the_database_a_key_is_a_503_and_the_catalogue_is_told_apart() -> None:
    _, text = issued(user())

    def refuse(*_: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    with connection.execute_wrapper(refuse):
        assert_problem(server(text).get(ORDERS), 503, "unavailable")


def test_where_nobody_is_asked_a_bad_key_is_no_hindrance() -> None:
    assert server("no.key").get(f"{BASE}products/").status_code == 200


# --- in the admin ----------------------------------------------------------------------------------------


def admin_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def boss() -> Client:
    return admin_of(User.objects.create_superuser("boss"))


def make(client: Client, owner: User, **fields: str) -> Any:
    return client.post(ADD, {"name": "ERP", "user": str(owner.id), "expires_at_0": "", "expires_at_1": "", **fields})


def shown_in(page: str) -> list[str]:
    return re.findall(r"data-api-key>([^<]+)<", page)


def test_a_key_is_made_and_shown_once(boss: Client) -> None:
    owner = user("erp")
    page = make(boss, owner)
    (text,) = shown_in(page.content.decode())
    assert "no-store" in page["Cache-Control"]
    assert server(text).get(ORDERS).status_code == 200
    key = ApiKey.objects.get()
    for url in (KEYS, reverse("admin:orderproject_apikey_change", args=[key.id])):
        html = boss.get(url).content.decode()
        assert key.prefix in html
        assert text not in html
    assert text not in str(boss.cookies)
    line = Audit.objects.get(action="issue")
    assert (line.who, line.target_ids, line.details) == ("boss", [key.prefix], {"user": str(owner.id)})


def test_a_key_is_revoked_with_a_reason(boss: Client) -> None:
    key, text = issued(user())
    url = reverse("admin:orderproject_apikey_revoke_one", args=[key.id])
    assert b"Revoke the key?" in boss.get(url).content
    assert server(text).get(ORDERS).status_code == 200
    boss.post(url, {"confirmed": "yes", "reason": "left"})
    api_keys.clear_cache()
    assert_problem(server(text).get(ORDERS), 401)
    assert Audit.objects.get(action="revoke").reason == "left"
    assert b"revoked" in boss.get(KEYS).content


def test_several_keys_are_revoked_at_once(boss: Client) -> None:
    keys = [issued(user())[0] for _ in range(3)]
    chosen = {"action": "revoke_selected", "_selected_action": [str(key.id) for key in keys[:2]]}
    assert b"Revoke" in boss.post(KEYS, chosen).content
    boss.post(KEYS, chosen | {"confirmed": "yes", "reason": "spring cleaning"})
    assert [ApiKey.objects.get(id=key.id).revoked_at is None for key in keys] == [False, False, True]
    assert Audit.objects.filter(action="revoke").count() == 1


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": ""}, "This field is required"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"}, "Enter a time in the future"),
        ({"user": ""}, "This field is required"),
    ],
)
def test_what_does_not_fit_is_a_form_error(boss: Client, fields: dict[str, str], complaint: str) -> None:
    assert complaint in make(boss, user(), **fields).content.decode()
    assert not ApiKey.objects.exists()


def test_nobody_hands_out_rights_that_they_have_not() -> None:
    rights = ("orderproject.add_apikey", "orderproject.view_apikey", "orderproject.view_user", "inventory.view_stock")
    helper = admin_of(user("helper", *rights, is_staff=True))
    mighty, boss = user("mighty", "events.replay"), User.objects.create_superuser("boss")
    gone = user("gone", is_active=False)
    for owner in (mighty, boss, gone):
        assert not shown_in(make(helper, owner).content.decode())
    assert not ApiKey.objects.exists()
    for owner in (user("customer"), user("reader", "inventory.view_stock")):
        assert shown_in(make(helper, owner).content.decode())


def test_a_key_keeps_its_user_and_its_end_and_is_never_deleted(boss: Client) -> None:
    owner, other = user(), user()
    key, _ = issued(owner)
    page = reverse("admin:orderproject_apikey_change", args=[key.id])
    boss.post(page, {"name": "renamed", "user": str(other.id), "expires_at_0": "2099-01-01", "expires_at_1": "00:00"})
    key.refresh_from_db()
    assert (key.name, key.user_id, key.expires_at) == ("renamed", owner.id, None)
    assert boss.get(reverse("admin:orderproject_apikey_delete", args=[key.id])).status_code == 403


def test_auditors_see_keys_and_revoke_none() -> None:
    auditor = user("auditor", is_staff=True)
    auditor.groups.add(Group.objects.get(name="auditors"))
    key, _ = issued(user())
    client = admin_of(auditor)
    assert key.prefix in client.get(KEYS).content.decode()
    assert client.get(ADD).status_code == 403
    assert client.post(reverse("admin:orderproject_apikey_revoke_one", args=[key.id])).status_code == 403


def test_a_key_that_is_none_leads_back(boss: Client) -> None:
    for id_, status in (("999999", 302), ("x", 404)):
        assert boss.get(reverse("admin:orderproject_apikey_revoke_one", args=[id_])).status_code == status
