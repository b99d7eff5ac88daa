"""What people see of the inbox and do with unreadable messages: commands, admin and metrics."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from desk.models import Audit
from events.declare.foreign import Message
from orderproject.models import User
from publishing.inbox.intake import note, take
from publishing.inbox.repair import waiting
from publishing.models import Inbox, ReceivedEvent, UnreadableMessage
from tests.inbox import arrived, binary, parcel, parcels

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    person = User.objects.create_user("operator", is_staff=True)
    person.groups.add(Group.objects.get(name="operators"))
    client.force_login(person)
    return client


@pytest.fixture
def kept(settings: Any) -> UnreadableMessage:
    """A good message that was too large, beside one that was received."""
    settings.INBOX_MAX_BYTES = 120
    take([arrived(binary("1", parcel("JD0"))), arrived(binary("2", parcel("JD0", rest="<b>" * 99)), 1)])
    settings.INBOX_MAX_BYTES = 9_000
    return UnreadableMessage.objects.get()


def inbox(*arguments: str) -> str:
    out = StringIO()
    call_command("inbox", *arguments, stdout=out)
    return out.getvalue()


def url(model: str, page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:publishing_{model}_{page}", args=args)


def shown(client: Client, at: str) -> str:
    answer = client.get(at)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_a_source_nothing_runs() -> None:
    for action in ("run", "create"):
        with pytest.raises(CommandError, match="INBOX_KAFKA_TOPICS"):
            inbox(action)


def test_a_broker_that_is_away_is_named(settings: Any) -> None:
    settings.INBOX_RABBITMQ_URL, settings.INBOX_RABBITMQ_QUEUES = "amqp://127.0.0.1:9//", {"carrier": "parcels"}
    with pytest.raises(CommandError, match="rabbitmq cannot be reached"):
        inbox("create")


def test_the_admin_shows_what_came_and_what_could_not_be_read(operator: Client, kept: UnreadableMessage) -> None:
    assert "carrier" in shown(operator, url("inbox"))
    assert "JD0" not in shown(operator, url("unreadablemessage")), "a list shows no bodies"
    page = shown(operator, url("unreadablemessage", "change", kept.id))
    assert "&lt;b&gt;" in page
    assert "parcels, partition 0, offset 1" in page
    assert "INBOX_MAX_BYTES is 120" in page
    received = ReceivedEvent.objects.get()
    assert str(received.position) in shown(operator, f"{url('receivedevent')}?q=1")
    assert shown(operator, reverse("admin:index")).count("Unreadable messages") == 1
    note("kafka", ["carrier"], "the broker is away")
    assert "failing" in shown(operator, url("inbox"))
    assert "the broker is away" in shown(operator, url("inbox", "change", Inbox.objects.get().id))


@pytest.mark.parametrize("selected", [True, False])
def test_a_person_receives_it_again_in_the_admin(operator: Client, kept: UnreadableMessage, selected: bool) -> None:
    if selected:
        sent = {"action": "retry_selected", "_selected_action": [str(kept.id)]}
        assert "Read these messages again" in operator.post(url("unreadablemessage"), sent).content.decode()
        operator.post(url("unreadablemessage"), {**sent, "confirmed": "yes"})
    else:
        at = url("unreadablemessage", "retry_one", kept.id)
        assert "Read this message again" in shown(operator, at)
        operator.post(at, {"confirmed": "yes"})
    assert parcels() == {("parcel:JD0", "1"): 1, ("parcel:JD0", "2"): 1}
    assert not waiting().exists()
    assert Audit.objects.get().action == "retry"


def test_a_person_discards_it_in_the_admin_with_a_reason(operator: Client, kept: UnreadableMessage) -> None:
    at = url("unreadablemessage", "discard_one", kept.id)
    operator.post(at, {"confirmed": "yes", "reason": ""})
    assert waiting().exists()
    operator.post(at, {"confirmed": "yes", "reason": "not ours"})
    assert not waiting().exists()
    assert Audit.objects.values_list("action", "reason").get() == ("discard", "not ours")


def test_who_may_only_read_may_not_retry(client: Client, kept: UnreadableMessage) -> None:
    person = User.objects.create_user("reader", is_staff=True)
    person.groups.add(Group.objects.get(name="auditors"))
    client.force_login(person)
    assert client.get(url("unreadablemessage", "change", kept.id)).status_code == 200
    assert client.post(url("unreadablemessage", "retry_one", kept.id), {"confirmed": "yes"}).status_code == 403
    assert waiting().exists()


def test_the_command_line_lists_retries_and_discards(kept: UnreadableMessage) -> None:
    take([arrived(Message(b"poison"), 2)])
    assert "2 unreadable messages wait" in inbox("status")
    assert "too-large" in inbox("unreadable")
    assert inbox("retry", str(kept.id), "--yes") == "1 received, 0 had been received before, 0 still cannot be read.\n"
    with pytest.raises(CommandError, match="--reason"):
        inbox("discard", "all", "--yes")
    with pytest.raises(CommandError, match="Give the ids"):
        inbox("retry", "x", "--yes")
    assert inbox("discard", "all", "--yes", "--reason", "not ours") == "1 discarded.\n"
    assert "wait" not in inbox("status")


def test_prometheus_can_watch_it(client: Client, kept: UnreadableMessage) -> None:
    said = client.get("/metrics").content.decode()
    assert 'inbox_messages_total{broker="kafka",result="received",source="carrier"} 1.0' in said
    assert 'inbox_messages_total{broker="kafka",result="unreadable",source="carrier"} 1.0' in said
    assert "inbox_unreadable_waiting 1.0" in said
    assert 'inbox_failing{broker="kafka",source="carrier"} 0.0' in said
