"""Webhooks over HTTP: everybody has its own. What is sent, and how, is shown by test_webhooks."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.core import mail as outbox
from rest_framework.test import APIClient

from notifications.events import WebhookDisabled
from notifications.models import DisabledReason, Webhook
from notifications.subscribers import mail_webhook_owner
from notifications.tasks import look_after_webhooks
from notifications.webhooks import endpoints, fan_out
from orderproject.models import User
from tests.integration.api import BASE, assert_problem, client_of, user
from tests.integration.receiver import WEBHOOKS, create
from tests.integration.test_api_schema import fits

pytestmark = pytest.mark.django_db

HOOK = "https://93.184.216.34/hook"


@pytest.fixture(autouse=True)
def _noticed_at_once(monkeypatch: pytest.MonkeyPatch, _nobody_asks: None) -> None:
    monkeypatch.setattr(fan_out, "_asked", fan_out._Asked())
    monkeypatch.setattr(fan_out, "KNOWN_FOR", 0.0)


@pytest.fixture
def owner() -> User:
    return user("owner")


@pytest.fixture
def api(owner: User) -> APIClient:
    return client_of(owner)


def test_a_webhook_is_made_read_changed_and_deleted(api: APIClient) -> None:
    made = create(api, HOOK, "order.created", "payment.*")
    assert made.pop("secret").startswith("whsec_")
    path = f"{WEBHOOKS}{made['id']}/"
    assert api.get(path).json() == made
    assert (made["eventTypes"], made["description"], made["enabled"]) == (["order.created", "payment.*"], "ours", True)
    changed = api.patch(path, {"eventTypes": ["*"], "description": ""}).json()
    assert (changed["eventTypes"], changed["description"], changed["url"]) == (["*"], "", made["url"])
    assert [one["id"] for one in api.get(WEBHOOKS).json()["results"]] == [made["id"]]
    assert api.delete(path).status_code == 204
    for answer in (api.get(path), api.delete(path), api.patch(path, {}), api.post(f"{path}test/")):
        assert_problem(answer, 404, "not-found")
    assert api.get(WEBHOOKS).json()["results"] == []


def test_webhooks_come_page_by_page(api: APIClient) -> None:
    made = [create(api, f"{HOOK}/{number}")["id"] for number in range(3)]
    first = api.get(WEBHOOKS, {"limit": 2}).json()
    second = api.get(first["next"]).json()
    assert [one["id"] for one in first["results"] + second["results"]] == made[::-1]
    assert "secret" not in first["results"][0]


def test_anothers_webhook_is_not_found(api: APIClient) -> None:
    webhook = create(api, HOOK)
    delivery = api.post(f"{WEBHOOKS}{webhook['id']}/test/").json()
    path = f"{WEBHOOKS}{webhook['id']}/"
    for other in (client_of(user("other")), client_of(user("boss", is_superuser=True, is_staff=True))):
        for method, tail in (
            ("get", ""), ("patch", ""), ("delete", ""), ("post", "rotate-secret/"), ("post", "test/"),
            ("get", "deliveries/"), ("post", f"deliveries/{delivery['id']}/redeliver/"),
        ):  # fmt: skip
            assert_problem(getattr(other, method)(path + tail, {} if method != "get" else None), 404, "not-found")
        assert other.get(WEBHOOKS).json()["results"] == []
    mine = create(client_of(user("third")), HOOK)
    stranger = client_of(User.objects.get(username="third"))
    stolen = f"{WEBHOOKS}{mine['id']}/deliveries/{delivery['id']}/redeliver/"
    assert_problem(stranger.post(stolen), 404, "not-found")
    assert_problem(client_of(None).get(WEBHOOKS), 401)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"eventTypes": ["order.*"]}, "#/url"),
        ({"url": HOOK}, "#/eventTypes"),
        ({"url": HOOK, "eventTypes": []}, "#/eventTypes"),
        ({"url": HOOK, "eventTypes": ["ORDER.*"]}, "#/eventTypes/0"),
        ({"url": HOOK, "eventTypes": ["order.*"], "secret": "x"}, "#/secret"),
        ({"url": f"{HOOK}{'x' * 2000}", "eventTypes": ["order.*"]}, "#/url"),
    ],
)
def test_what_does_not_fit_the_schema_is_told_with_its_place(
    api: APIClient, body: dict[str, Any], pointer: str
) -> None:
    assert_problem(api.post(WEBHOOKS, body), 400, "invalid", pointer)


@pytest.mark.parametrize(
    ("url", "event_types", "pointer"),
    [
        (HOOK, ["order.*", "order.eaten"], "#/eventTypes/1"),
        (HOOK, ["inventory.low"], "#/eventTypes/0"),
        (HOOK, ["webhook.*"], "#/eventTypes/0"),
        ("http://example.com/", ["order.*"], "#/url"),
        ("https://user:pass@example.com/", ["order.*"], "#/url"),
        ("https://example.com/#x", ["order.*"], "#/url"),
        ("https://example.com:22/", ["order.*"], "#/url"),
        ("not a url", ["order.*"], "#/url"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(api: APIClient, url: str, event_types: list[str], pointer: str) -> None:
    assert_problem(api.post(WEBHOOKS, {"url": url, "eventTypes": event_types}), 422, "invalid", pointer)
    webhook = create(api, HOOK)
    change = {"url": url} if pointer == "#/url" else {"eventTypes": event_types}
    assert_problem(api.patch(f"{WEBHOOKS}{webhook['id']}/", change), 422, "invalid", pointer)


def test_nobody_has_webhooks_without_end(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_WEBHOOKS", 2)
    kept = [create(api, HOOK) for _ in range(2)]
    body = {"url": HOOK, "eventTypes": ["order.*"]}
    assert_problem(api.post(WEBHOOKS, body), 422, "too-many-webhooks")
    api.delete(f"{WEBHOOKS}{kept[0]['id']}/")
    create(api, HOOK)


def test_a_user_that_is_gone_makes_none(api: APIClient, owner: User) -> None:
    owner.delete()
    assert_problem(api.post(WEBHOOKS, {"url": HOOK, "eventTypes": ["order.*"]}), 404)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/hook", "https://localhost/hook", "https://10.0.0.7:8443/", "https://[::1]/",
            "https://169.254.169.254/latest/meta-data/"]
)  # fmt: skip
def test_an_address_inside_is_refused(api: APIClient, url: str) -> None:
    assert_problem(api.post(WEBHOOKS, {"url": url, "eventTypes": ["order.*"]}), 422, "address-refused")
    assert not Webhook.objects.exists()


def test_an_address_inside_is_refused_in_a_change_too(api: APIClient) -> None:
    webhook = create(api, HOOK)
    answer = api.patch(f"{WEBHOOKS}{webhook['id']}/", {"url": "https://127.0.0.1/"})
    assert_problem(answer, 422, "address-refused")


@pytest.mark.parametrize("change", ["permission", "account"])
def test_whoever_may_no_longer_hear_is_switched_off(change: str) -> None:
    staff = user("staff", "notifications.hear_all_orders")
    create(client_of(staff), HOOK, "*")
    create(client_of(user("customer")), HOOK)
    look_after_webhooks()
    assert Webhook.objects.filter(disabled_at=None).count() == 2
    if change == "permission":
        staff.user_permissions.clear()
    else:
        User.objects.filter(id=staff.id).update(is_active=False)
    look_after_webhooks()
    off = Webhook.objects.get(disabled_reason=DisabledReason.NOT_ENTITLED)
    assert off.owner_id == staff.id
    assert Webhook.objects.filter(disabled_at=None).count() == 1


def test_nobody_is_told_of_a_webhook_that_is_deleted_meanwhile(api: APIClient) -> None:
    webhook = create(api, HOOK)
    told = WebhookDisabled(webhook_id=webhook["id"], owner_id=uuid4(), reason="failing")
    api.delete(f"{WEBHOOKS}{webhook['id']}/")
    mail_webhook_owner(told, "key")
    assert outbox.outbox == []


def test_what_is_answered_fits_its_description(api: APIClient) -> None:
    schema = api.get(f"{BASE}schema/?format=json").json()
    made = create(api, HOOK)
    fits(schema, "WebhookWithSecret", made)
    fits(schema, "WebhookPage", api.get(WEBHOOKS).json())
    fits(schema, "WebhookDelivery", api.post(f"{WEBHOOKS}{made['id']}/test/").json())
    fits(schema, "WebhookDeliveryPage", api.get(f"{WEBHOOKS}{made['id']}/deliveries/").json())
