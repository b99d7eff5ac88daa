"""The terminal client against a real server: names are shown as they are, and a repeat places no second order."""

import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from orderproject.demo import client as terminal
from orderproject.demo.shop import Session
from orderproject.models import User
from orders.models import Order
from tests.integration.api import product

pytestmark = pytest.mark.django_db(transaction=True)
NASTY = "[red]Mug[/]\x1b[31m"
SHOWN = r"[red]Mug[/]\x1b[31m"


@pytest.fixture
def session(live_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    User.objects.create_user("customer", "c@example.com", "secret")
    product("MUG", name=NASTY)
    session = Session(tmp_path / "session.json")
    monkeypatch.setenv("ORDERS_PASSWORD", "secret")
    assert terminal.main(["login", "--url", live_server.url, "--username", "customer"], session) == 0
    return session


def test_names_are_shown_as_they_are_and_errors_too(session: Session, capsys: pytest.CaptureFixture[str]):
    assert terminal.main(["products"], session) == 0
    assert terminal.main(["place", "MUG"], session) == 0
    assert terminal.main(["place", "\x1b[31m[red]X"], session) == 1
    said = capsys.readouterr()
    assert said.out.count(SHOWN) == 2
    assert r"\x1b[31m[red]X" in said.err
    assert "\x1b" not in said.out + said.err


def test_a_repeat_with_the_key_that_was_said_places_no_second_order(
    session: Session, capsys: pytest.CaptureFixture[str]
):
    assert terminal.main(["place", "MUG"], session) == 0
    first = capsys.readouterr()
    (option,) = [word.rstrip(")") for word in first.err.split() if word.startswith("--idempotency-key=")]
    assert terminal.main(["place", "MUG", option], session) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert "placed before" in again.err
    assert Order.objects.count() == 1


@pytest.mark.parametrize("key", ["", "ö", "a b", "x" * 256])
def test_a_key_that_no_header_can_carry_is_refused(session: Session, key: str):
    with pytest.raises(SystemExit):
        terminal.main(["place", "MUG", "--idempotency-key", key], session)
    assert not Order.objects.exists()


def test_a_demo_that_is_repeated_places_its_orders_once(
    session: Session, live_server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("orderproject.management.commands.demo.PATIENCE", 0.0)
    options = {"url": live_server.url, "orders": 3, "password": "secret", "idempotency_key": "run-1"}
    product("SAMOVAR")
    for _ in range(2):
        with pytest.raises(Exception, match="did not finish"):  # there is no worker
            call_command("demo", **options)
    assert Order.objects.count() == 3
    assert "--idempotency-key=run-1" in capsys.readouterr().out
    assert sys.stdout
