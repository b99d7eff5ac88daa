"""Dead messages in the admin: read by many, sent again by those who may."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from events.models import DeadMessage, DeadReason
from orderproject.models import User
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)
LIST = reverse("admin:events_deadmessage_changelist")


@pytest.fixture
def dead() -> DeadMessage:
    return DeadMessage.objects.create(
        queue="orders",
        task="orders.of_tomorrow",
        reason=DeadReason.UNKNOWN_TASK,
        error="no code has it",
        headers='{"task": "orders.of_tomorrow", "evil": "<script>"}',
        properties='{"content_type": "application/json", "content_encoding": "utf-8"}',
        body=b"[[1], {}, {}] \xff",
        received_at=timezone.now(),
    )


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("somebody", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def page(dead: DeadMessage) -> str:
    return reverse("admin:events_deadmessage_change", args=[dead.id])


def test_it_is_shown_as_it_came(dead: DeadMessage):
    client = staff("view_deadmessage")
    assert "orders.of_tomorrow" in client.get(LIST).content.decode()
    shown = client.get(page(dead)).content.decode()
    assert r"[[1], {}, {}] \xff" in shown
    assert "&lt;script&gt;" in shown


def test_who_may_sends_it_again_once(dead: DeadMessage, mail: Mail):
    client = staff("view_deadmessage", "retry_deadmessage")
    dead.body = b"[[1], {}, {}]"
    dead.save()
    action = {"action": "retry_selected", "_selected_action": [dead.id]}
    assert "Send these again?" in client.post(LIST, action).content.decode()
    for _ in range(2):
        client.post(LIST, {**action, "confirmed": "yes"})
    assert mail.messages() == [("orders.of_tomorrow", [1])]
    dead.refresh_from_db()
    assert dead.retried_at is not None


def test_who_may_not_cannot(dead: DeadMessage, mail: Mail):
    client = staff("view_deadmessage")
    client.post(LIST, {"action": "retry_selected", "_selected_action": [dead.id], "confirmed": "yes"})
    assert mail.messages() == []
