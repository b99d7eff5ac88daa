"""What Flower hears of messages that were sent: later, of many at once, and at nobody's cost."""

import time
from urllib.parse import urlsplit

import pytest

from events.worker import sent_events
from orderproject.celery import app as ours
from orderproject.stack.ports import HOST
from tests.chaos.doors import Door
from tests.integration.ears import dispatcher, hearing, sender

SOON = 0.2


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_events, "EVERY", SOON)


def test_flower_is_told_of_all_that_was_sent_at_once_and_later():
    app = sender(ours.conf.broker_url)
    with hearing(app) as heard:
        began = time.monotonic()
        for number in range(5):
            app.send_task(f"told.{number}")
        assert heard(SOON / 2, 1) == []
        assert heard(10, 5) == [[f"told.{number}" for number in range(5)]]
        assert time.monotonic() - began >= SOON


def test_the_projects_own_application_tells_so():
    assert isinstance(dispatcher(ours), sent_events.Dispatcher)
    assert ours.conf.task_send_sent_event


def test_many_come_in_several_messages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sent_events, "BATCH", 3)
    app = sender(ours.conf.broker_url)
    with hearing(app) as heard:
        for number in range(7):
            app.send_task(f"told.{number}")
        groups = heard(10, 7)
    assert [len(group) for group in groups] == [3, 3, 1]
    assert [name for group in groups for name in group] == [f"told.{number}" for number in range(7)]


@pytest.mark.skipif(
    not ours.conf.broker_url.startswith("redis"), reason="Valkey's own; RabbitMQ has a test beside its others"
)
def test_a_broker_that_is_away_holds_up_nobody_and_is_told_when_it_is_back():
    port = urlsplit(ours.conf.broker_url).port
    assert port
    with Door(port) as door, hearing(sender(ours.conf.broker_url)) as heard:
        app = sender(ours.conf.broker_url.replace(f"{HOST}:{port}", f"{HOST}:{door.port}"))
        tell = dispatcher(app).publish
        tell("task-sent", {"name": "told.before"}, None)
        assert heard(10, 1) == [["told.before"]]
        door.shut()
        began = time.monotonic()
        for name in ("told.meanwhile", "told.too"):
            tell("task-sent", {"name": name}, None)
        assert time.monotonic() - began < SOON / 2
        assert heard(3 * SOON, 2) == [["told.before"]]
        door.open()
        groups = heard(10, 3)
    assert [name for group in groups for name in group] == ["told.before", "told.meanwhile", "told.too"]


def test_what_nobody_could_be_told_for_long_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    app = sender("redis://127.0.0.1:9/0")
    buffer = sent_events._Sender(app)
    for number in range(sent_events.MAX_BUFFERED + 5):
        buffer.add({"name": str(number)})
    assert len(buffer._waiting) == sent_events.MAX_BUFFERED
    assert buffer._waiting[0] == {"name": "5"}
