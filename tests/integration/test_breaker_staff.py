"""Breakers in the admin and on the command line: seen by many, forced by few, written down."""

from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from desk.models import Audit
from events.breakers.breaker import State
from events.db import valkey
from orderproject.models import User
from orderproject.stack.ports import free_port
from payments.gateways import BREAKER

pytestmark = pytest.mark.django_db
PAGE = "admin:events_breaker_changelist"


def member_of(group: str) -> Client:
    user = User.objects.create_user(group.replace(" ", "-"), password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def deed(name: str, what: str) -> str:
    return reverse("admin:events_breaker_force", args=[name, what])


def shown(client: Client) -> str:
    answer = client.get(reverse(PAGE))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def operator() -> Client:
    return member_of("operators")


@pytest.fixture
def _no_valkey(settings, monkeypatch: pytest.MonkeyPatch):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    valkey.client.cache_clear()
    yield
    valkey.client.cache_clear()


def test_the_page_shows_every_breaker_with_its_counts(operator: Client):
    BREAKER.report(BREAKER.permit(7), 4, 3)
    page = shown(operator)
    assert 'id="breaker-payments"' in page
    assert 'id="breaker-smtp"' in page
    assert "4 answered, 3 failed" in page


def test_forcing_asks_for_a_reason_and_is_written_down(operator: Client):
    assert "Postpone every call" in operator.get(deed("payments", "open")).content.decode()
    operator.post(deed("payments", "open"), {"confirmed": "yes", "reason": ""})
    assert BREAKER.snapshot().state is State.CLOSED
    answer = operator.post(
        deed("payments", "open"), {"confirmed": "yes", "reason": "<b>they</b> asked us to"}, follow=True
    )
    page = answer.content.decode()
    assert "operators," in page
    assert "&lt;b&gt;they&lt;/b&gt; asked us to" in page
    assert BREAKER.permit(1).granted == 0
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_ids) == ("operators", "force open", ["payments"])
    assert line.reason == "<b>they</b> asked us to"
    operator.post(deed("payments", "close"), {"confirmed": "yes", "reason": "all is well"})
    assert BREAKER.snapshot().forced
    assert BREAKER.permit(1).granted == 1
    operator.post(deed("payments", "release"), {"confirmed": "yes", "reason": "done"})
    assert not BREAKER.snapshot().forced
    assert set(Audit.objects.values_list("action", flat=True)) == {"force open", "force closed", "release"}


def test_who_may_only_look_sees_no_buttons_and_forces_nothing():
    auditor = member_of("auditors")
    page = shown(auditor)
    assert "breaker-payments" in page
    assert "Force open" not in page
    for what in ("open", "close", "release"):
        assert auditor.get(deed("payments", what)).status_code == 403
        assert auditor.post(deed("payments", what), {"confirmed": "yes", "reason": "x"}).status_code == 403
    assert not BREAKER.snapshot().forced


def test_who_may_not_even_look():
    warehouse = member_of("warehouse")
    assert warehouse.get(reverse(PAGE)).status_code == 403
    assert reverse(PAGE) not in warehouse.get(reverse("admin:index")).content.decode()


def test_the_sidebar_leads_there(operator: Client):
    assert reverse(PAGE) in operator.get(reverse("admin:index")).content.decode()


def test_what_is_no_breaker_is_not_found(operator: Client):
    assert operator.get(deed("nobody", "open")).status_code == 404
    assert operator.get(deed("payments", "smash")).status_code == 404


@pytest.mark.usefixtures("_no_valkey")
def test_without_valkey_the_page_says_so(operator: Client):
    assert "Valkey does not answer" in shown(operator)
    answer = operator.post(deed("payments", "open"), {"confirmed": "yes", "reason": "x"}, follow=True)
    assert "nothing was changed" in answer.content.decode()
    assert not Audit.objects.exists()


# --- the command line ----------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("breakers", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_forces_and_releases():
    assert "payments: closed, 0 answered, 0 failed" in run("list")
    assert "payments: open" in run("open", "payments", "--reason", "their maintenance")
    assert "their maintenance" in run("list")
    assert BREAKER.snapshot().by.startswith("shell:")
    line = Audit.objects.get()
    assert (line.who, line.action, line.reason) == (BREAKER.snapshot().by, "force open", "their maintenance")
    assert "payments: closed" in run("close", "payments", "--reason", "it works")
    assert "forced" not in run("release", "payments")


def test_the_command_names_what_is_wrong():
    with pytest.raises(CommandError, match="no breaker 'nobody' is declared; use one of"):
        run("open", "nobody", "--reason", "x")
    with pytest.raises(CommandError, match="reason"):
        run("open", "payments")


@pytest.mark.usefixtures("_no_valkey")
def test_the_command_without_valkey():
    with pytest.raises(CommandError, match="Valkey does not answer"):
        run("list")
