"""The admin's pages about webhooks: everything but the secret, and what members of staff may do."""

from __future__ import annotations

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from desk.models import Audit
from events.models import StoredEvent
from notifications.models import Webhook, WebhookAttempt, WebhookDelivery
from notifications.selectors import with_last_try
from notifications.webhook_admin import WebhookDeliveryAdmin
from notifications.webhooks import endpoints, fan_out
from notifications.webhooks.secrets import Keyring
from orderproject.models import User
from tests.integration.api import user

pytestmark = pytest.mark.django_db

LIST = reverse("admin:notifications_webhook_changelist")
LOG = reverse("admin:notifications_webhookdelivery_changelist")


@pytest.fixture(autouse=True)
def _noticed_at_once(monkeypatch: pytest.MonkeyPatch, _nobody_asks: None) -> None:
    monkeypatch.setattr(fan_out, "_asked", fan_out._Asked())
    monkeypatch.setattr(fan_out, "KNOWN_FOR", 0.0)


@pytest.fixture
def operator(client: Client) -> Client:
    person = User.objects.create_user("operator", is_staff=True)
    person.groups.add(Group.objects.get(name="operators"))
    client.force_login(person)
    return client


@pytest.fixture
def webhook() -> Webhook:
    made, _ = endpoints.create(
        user("owner").id, url="https://93.184.216.34/hook", event_types=["order.*"], description="", everything=False
    )
    return made


def test_attempts_before_it_was_sent_again_still_count(operator: Client, failed: WebhookDelivery) -> None:
    for number in (1, 2):
        WebhookAttempt.objects.create(delivery=failed, number=number, at=timezone.now(), error="no", duration_ms=7)
    page = reverse("admin:notifications_webhookdelivery_change", args=[failed.id])
    due = timezone.now().replace(year=2031)
    WebhookDelivery.objects.filter(id=failed.id).update(attempts=0, due_at=due)
    html = operator.get(page).content.decode()
    assert [f"<b>{number}.</b>" in html for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert "2031" not in html, "a delivery that has failed for good is not due"
    assert WebhookDeliveryAdmin(WebhookDelivery, site).tried(with_last_try(WebhookDelivery.objects.all()).get()) == "3"
    WebhookDelivery.objects.filter(id=failed.id).update(state="pending")
    assert "2031" in operator.get(page).content.decode()


@pytest.fixture
def failed(webhook: Webhook) -> WebhookDelivery:
    delivery = endpoints.test(webhook.id)
    WebhookDelivery.objects.filter(id=delivery.id).update(state="failed", attempts=15)
    WebhookAttempt.objects.create(
        delivery=delivery,
        number=15,
        at=timezone.now(),
        response_status=500,
        error="The receiver answered 500.",
        duration_ms=7,
    )
    return delivery


def page_of(model: str, id_: object) -> str:
    return reverse(f"admin:notifications_{model}_change", args=[id_])


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_webhooks_are_shown_without_their_secret(operator: Client, webhook: Webhook) -> None:
    secret = Keyring.open(webhook.sealed).current
    for html in (text(operator, LIST), text(operator, page_of("webhook", webhook.id))):
        assert webhook.url in html
        assert secret not in html
        assert webhook.sealed not in html
    for term in (webhook.id, webhook.owner_id, webhook.url):
        assert webhook.url in text(operator, f"{LIST}?q={term}")
    assert page_of("webhook", webhook.id) not in text(operator, f"{LIST}?q=https://elsewhere.example/")


def test_the_log_shows_every_try(operator: Client, webhook: Webhook, failed: WebhookDelivery) -> None:
    for url in (LOG, f"{LOG}?q={webhook.id}", page_of("webhookdelivery", failed.id)):
        html = text(operator, url)
        assert "webhook.tested" in html
        assert "The receiver answered 500." in html


def test_an_operator_sends_again_after_confirming(operator: Client, failed: WebhookDelivery) -> None:
    url = reverse("admin:notifications_webhookdelivery_redeliver_one", args=[failed.id])
    assert "Send these deliveries again" in operator.post(url).content.decode()
    assert not Audit.objects.exists()
    assert operator.post(url, {"confirmed": "yes"}).status_code == 302
    failed.refresh_from_db()
    assert (failed.state, failed.attempts) == ("pending", 0)
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_ids) == ("operator", "redeliver", [str(failed.id)])


@pytest.mark.parametrize(("action", "off"), [("switch_off_selected", True), ("switch_on_selected", False)])
def test_an_operator_switches_webhooks(operator: Client, webhook: Webhook, action: str, off: bool) -> None:
    if not off:
        endpoints.change(webhook.id, everything=False, enabled=False)
    posted = {"action": action, "_selected_action": [str(webhook.id)]}
    assert operator.post(LIST, posted).status_code == 200
    assert not Audit.objects.exists()
    operator.post(LIST, posted | {"confirmed": "yes"})
    webhook.refresh_from_db()
    assert (webhook.disabled_at is not None) == off
    assert Audit.objects.get().action == ("disable" if off else "enable")
    assert StoredEvent.objects.filter(type="webhook.disabled").exists() == off


def test_an_auditor_only_looks(operator: Client, webhook: Webhook, failed: WebhookDelivery) -> None:
    User.objects.get(username="operator").groups.set([Group.objects.get(name="auditors")])
    text(operator, page_of("webhook", webhook.id))
    url = reverse("admin:notifications_webhookdelivery_redeliver_one", args=[failed.id])
    assert operator.post(url, {"confirmed": "yes"}).status_code == 403
    operator.post(LIST, {"action": "switch_off_selected", "_selected_action": [str(webhook.id)], "confirmed": "yes"})
    webhook.refresh_from_db()
    failed.refresh_from_db()
    assert (webhook.disabled_at, failed.state) == (None, "failed")
    for url in (LIST, LOG):
        assert operator.get(f"{url}add/").status_code == 403
