"""Dead messages in the admin and on the command line: sent again, or discarded, by those who may."""

from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from desk.models import Audit
from events.models import DeadMessage, DeadReason
from events.worker.dead_messages import waiting
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
    assert list(Audit.objects.values_list("action", "target_ids")) == [("retry", [str(dead.id)])]


def test_who_may_not_cannot(dead: DeadMessage, mail: Mail):
    client = staff("view_deadmessage")
    client.post(LIST, {"action": "retry_selected", "_selected_action": [dead.id], "confirmed": "yes"})
    assert mail.messages() == []


# --- discarding ----------------------------------------------------------------------------------------------


def test_who_may_discards_with_a_reason_and_it_is_written_down(dead: DeadMessage, mail: Mail):
    client = staff("view_deadmessage", "retry_deadmessage", "discard_deadmessage")
    action = {"action": "discard_selected", "_selected_action": [dead.id]}
    assert "Discard these for good?" in client.post(LIST, action).content.decode()
    client.post(LIST, {**action, "confirmed": "yes", "reason": ""})
    assert waiting().count() == 1
    client.post(LIST, {**action, "confirmed": "yes", "reason": "of a stranger"})
    assert waiting().count() == 0
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_ids) == ("somebody", "discard", [str(dead.id)])
    assert line.reason == "of a stranger"
    client.post(LIST, {"action": "retry_selected", "_selected_action": [dead.id], "confirmed": "yes"})
    assert mail.messages() == []
    assert "orders.of_tomorrow" not in client.get(LIST + "?done=nothing").content.decode()


def test_one_is_discarded_from_its_page(dead: DeadMessage):
    client = staff("view_deadmessage", "discard_deadmessage")
    url = reverse("admin:events_deadmessage_discard_one", args=[dead.id])
    assert url in client.get(page(dead)).content.decode()
    client.post(url, {"confirmed": "yes", "reason": "of a stranger"})
    assert waiting().count() == 0
    assert url not in client.get(page(dead)).content.decode()


def test_who_may_only_retry_cannot_discard(dead: DeadMessage):
    client = staff("view_deadmessage", "retry_deadmessage")
    url = reverse("admin:events_deadmessage_discard_one", args=[dead.id])
    assert client.post(url, {"confirmed": "yes", "reason": "x"}).status_code == 403
    assert waiting().count() == 1


# --- the command line ----------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("deadmessages", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_groups_shows_sends_again_and_discards(dead: DeadMessage, mail: Mail):
    dead.body = b"[[1], {}, {}]"
    dead.save()
    others = [DeadMessage.objects.get(id=dead.id) for _ in range(3)]
    for other in others:
        other.pk = None
        other.task = "orders.of_yesterday"
        other.save()
    assert "orders.of_tomorrow" in command("list")
    assert "orders.of_tomorrow" not in command("list", "--task", "orders.of_yesterday")
    assert command("groups").splitlines()[1].split()[0] == "3"
    assert "[[1], {}, {}]" in command("show", str(dead.id))
    assert "1 dead messages were sent again" in command("retry", str(dead.id), "--yes")
    assert mail.messages() == [("orders.of_tomorrow", [1])]
    assert "3 dead messages match" in command("discard", "--task", "orders.of_yesterday", "--dry-run")
    discarding = ("discard", "--task", "orders.of_yesterday", "--reason", "long gone", "--yes")
    assert "3 dead messages are discarded" in command(*discarding)
    assert "0 dead messages match" in command(*discarding)
    written = Audit.objects.order_by("id").values_list("action", "reason")
    assert list(written) == [("retry", ""), ("discard", "long gone")]
    assert waiting().count() == 0


def test_the_command_says_what_it_wants(dead: DeadMessage):
    for arguments, sentence in (
        (("discard", str(dead.id), "--yes"), "Give a reason with --reason"),
        (("retry", "--yes"), "Name either ids"),
        (("retry", str(dead.id), "--task", "x", "--yes"), "Name either ids"),
        (("show", "0"), "no dead message 0"),
    ):
        with pytest.raises(CommandError, match=sentence):
            command(*arguments)
