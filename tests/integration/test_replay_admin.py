"""Replays in the admin and on the command line: seen, started and stopped by who may."""

from __future__ import annotations

from datetime import date
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from desk.actors import name_of
from desk.models import Audit
from events.log.append import emit
from events.models import Build, Delivery, Replay
from events.replay import replays
from events.replay.runner import continue_replay
from orderproject.models import User
from orders.models import DailySales
from tests.integration import echoes
from tests.integration.echoes import Shouted

pytestmark = pytest.mark.django_db
LIST, START = "admin:events_replay_changelist", "admin:events_replay_start"
ECHO, SALES = "tests.echo", "orders.daily_sales"


def member_of(group: str) -> Client:
    user = User.objects.create_user(group.replace(" ", "-"), password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator() -> Client:
    return member_of("operators")


def shout(*words: str) -> None:
    emit([Shouted(valley_id=uuid4(), word=word) for word in words])


def asked(**fields: Any) -> dict[str, Any]:
    return {"subscriber": ECHO, "since": "", "until": "", "stream": "", "reason": "the echo was ill", **fields}


def test_it_is_started_after_seeing_how_much_it_would_be(operator: Client) -> None:
    shout(*"abc")
    preview = operator.post(reverse(START), asked())
    assert "3 deliveries of 3 events." in preview.content.decode()
    assert not Replay.objects.exists()
    answer = operator.post(reverse(START), asked(confirmed="yes"), follow=True)
    assert "The replay has started." in answer.content.decode()
    replay = Replay.objects.get()
    assert (replay.subscriber, name_of(replay.started_by)) == (ECHO, "operators")
    assert Audit.objects.get().reason == "the echo was ill"
    again = operator.post(reverse(START), asked(confirmed="yes"))
    assert "is running: wait for it" in again.content.decode()


def test_the_form_says_what_a_stream_is(operator: Client) -> None:
    assert "&lt;kind&gt;:&lt;id&gt;, to replay only this stream" in operator.get(reverse(START)).content.decode()


def test_only_what_allows_it_can_be_chosen(operator: Client) -> None:
    page = operator.get(reverse(START)).content.decode()
    assert f'value="{ECHO}"' in page
    assert f'value="{SALES}"' in page
    assert "mail_confirmation" not in page
    refused = operator.post(reverse(START), asked(subscriber=SALES, stream="order:1", confirmed="yes"))
    assert "only be rebuilt from the whole log" in refused.content.decode()
    operator.post(reverse(START), asked(subscriber="notifications.mail_confirmation", confirmed="yes"))
    operator.post(reverse(START), asked(reason="", confirmed="yes"))
    assert not Replay.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_how_far_it_is(operator: Client) -> None:
    shout(*"abcd")
    replay = replays.start(replays.scope(ECHO), actor="ann")
    continue_replay(5, replay.id)
    Delivery.objects.filter(id__in=list(replay.deliveries.values_list("id", flat=True)[:3])).update(state="done")
    page = operator.get(reverse(LIST)).content.decode()
    assert '<progress value="0.750" max="1">' in page
    assert operator.get(reverse("admin:events_replay_change", args=[replay.id])).status_code == 200


def test_it_is_stopped_with_a_reason(operator: Client) -> None:
    replay = replays.start(replays.scope(ECHO), actor="ann")
    url = reverse("admin:events_replay_stop_one", args=[replay.id])
    assert "Stop it?" in operator.get(url).content.decode()
    operator.post(url, {"confirmed": "yes", "reason": "a mistake"})
    replay.refresh_from_db()
    assert replay.state == "stopped"
    assert Audit.objects.order_by("-id")[0].reason == "a mistake"


def test_auditors_look_and_touch_nothing() -> None:
    auditor = member_of("auditors")
    replay = replays.start(replays.scope(ECHO), actor="ann")
    assert auditor.get(reverse(LIST)).status_code == 200
    for url in (reverse(START), reverse("admin:events_replay_stop_one", args=[replay.id])):
        assert auditor.post(url, asked(confirmed="yes")).status_code in {302, 403}
    replay.refresh_from_db()
    assert (replay.state, Replay.objects.count()) == ("running", 1)


def test_daily_sales_are_those_of_the_live_build(operator: Client) -> None:
    for build in (1, 2):
        DailySales.objects.create(
            build=build, day=date(2026, 1, 15), currency="EUR", confirmed=build, revenue=f"{build}9.90", cancelled=0,
            returned=0, refunded=0,
        )  # fmt: skip
    url = reverse("admin:orders_dailysales_changelist")
    assert [row.confirmed for row in operator.get(url).context["cl"].result_list] == [1]
    Build.objects.create(name="orders.DailySales", live=2, last=2)
    assert [row.confirmed for row in operator.get(url).context["cl"].result_list] == [2]


# --- the command line ----------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_shows_how_much_it_would_be() -> None:
    shout(*"ab")
    assert f"{ECHO}: 2 deliveries of 2 events." in command(ECHO, "--dry-run")
    assert f"{SALES}: a rebuild from 0 events." in command(SALES, "--dry-run")
    assert "0 deliveries of 0 events" in command(ECHO, "--since", "2126-01-01T00:00:00Z", "--dry-run")
    assert not Replay.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_command_does_the_work_itself() -> None:
    shout("a")
    assert "Done: 0 events." in command(SALES, "--yes")
    assert Audit.objects.get().actor.startswith("shell:")
    assert SALES in command()
    assert echoes.heard == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nobody"], "There is no subscriber"),
        (["notifications.mail_confirmation"], "is not declared with replay=True"),
        ([ECHO], "Nothing was done"),
        (["--stop", "01945b7e-53f0-7000-8000-000000000001"], "Only a running replay"),
    ],
    ids=["unknown", "not replayable", "not confirmed", "not running"],
)
def test_the_command_says_why_not(arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(CommandError, match=complaint):
        command(*arguments)
    assert not Replay.objects.exists()
