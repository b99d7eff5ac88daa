"""What Flower is told of work: later, by the batch, under the names that people know, and at no cost to the work."""

import time
from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import transaction

from events.monitor import pieces, sender, subjects
from events.monitor.pieces import Carrier, Kind, Piece, Problem, problem_of, tell
from events.monitor.sender import Sender
from orderproject.celery import app as ours
from orderproject.stack.ports import HOST
from orders.models import Order
from tests.chaos.doors import Door
from tests.integration.api import client_of, place, product, user
from tests.integration.ears import connected_to, hearing, piece

SOON = 0.2


class Told(list[Piece]):
    """Takes the pieces of this process."""

    def add(self, piece: Piece) -> None:
        self.append(piece)

    def wake(self) -> None:
        """Nothing is sent."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "EVERY", SOON)


@pytest.fixture
def told() -> Iterator[Told]:
    found = Told()
    pieces.tell_to(found)
    yield found
    pieces.tell_to(None)
    pieces.end()


def sending(url: str = "") -> Sender:
    return Sender(connected_to(url or ours.conf.broker_url), "worker@here")


def shown(groups: list[list[dict[str, Any]]]) -> list[list[tuple[str, str]]]:
    """The type of each event, and the work's id."""
    return [[(event["type"], event["uuid"]) for event in group] for group in groups]


def both(*names: str) -> list[tuple[str, str]]:
    return [(type_, name) for name in names for type_ in ("task-received", "task-succeeded")]


# --- how it is sent ----------------------------------------------------------------------------------------


def test_what_was_done_soon_after_each_other_is_sent_together_and_later():
    flower = sending()
    with hearing(flower.app) as heard:
        began = time.monotonic()
        for number in range(3):
            flower.add(piece(f"told.{number}", "MUG-RED"))
        assert heard(SOON / 2, 1) == []
        assert shown(heard(10, 6)) == [both("told.0", "told.1", "told.2")]
        assert time.monotonic() - began >= SOON


def test_many_come_in_several_messages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sender, "BATCH", 4)
    flower = sending()
    with hearing(flower.app) as heard:
        for number in range(3):
            flower.add(piece(f"told.{number}", "MUG-RED"))
        groups = shown(heard(10, 6))
    assert [len(group) for group in groups] == [4, 2]
    assert list(chain.from_iterable(groups)) == both("told.0", "told.1", "told.2")


@pytest.mark.skipif(
    not ours.conf.broker_url.startswith("redis"), reason="Valkey's own; RabbitMQ has a test beside its others"
)
def test_a_broker_that_is_away_delays_no_work_and_is_told_when_it_is_back():
    port = urlsplit(ours.conf.broker_url).port
    assert port
    with Door(port) as door, hearing(connected_to(ours.conf.broker_url)) as heard:
        flower = sending(ours.conf.broker_url.replace(f"{HOST}:{port}", f"{HOST}:{door.port}"))
        flower.add(piece("told.before", "MUG-RED"))
        assert shown(heard(10, 2)) == [both("told.before")]
        time.sleep(0.5)  # until the sender has the broker's answer too; otherwise it would send this again
        door.shut()
        began = time.monotonic()
        for name in ("told.meanwhile", "told.too"):
            flower.add(piece(name, "MUG-RED"))
        assert time.monotonic() - began < SOON / 2
        assert shown(heard(3 * SOON, 4)) == [both("told.before")]
        door.open()
        assert list(chain.from_iterable(shown(heard(10, 6)))) == both("told.before", "told.meanwhile", "told.too")


def test_what_the_broker_does_not_take_for_long_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Sender, "wake", lambda _: None)
    flower = sending("redis://127.0.0.1:9/0")
    for number in range(sender.MAX_BUFFERED + 5):
        flower.add(piece(str(number), "MUG-RED"))
    assert len(flower._waiting) == sender.MAX_BUFFERED
    assert flower._waiting[0].name == "5"
    assert flower.dropped == 5


def test_a_process_that_stops_sends_what_it_has_left():
    flower = sending()
    with hearing(flower.app) as heard:
        flower.add(piece("told.at_last", "MUG-RED"))
        began = time.monotonic()
        flower.stop()
        assert time.monotonic() - began < sender.LAST + SOON
        assert shown(heard(5, 2)) == [both("told.at_last")]


# --- what is said ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_orders_are_named_by_their_numbers_with_one_statement(django_assert_num_queries: Any):
    product("MUG-RED", stock=10)
    customer = client_of(user("ada"))
    orders = [Order.objects.get(id=place(customer).json()["id"]) for _ in range(3)]
    known, stranger = subjects.Subjects(), str(uuid4())
    ids = [str(order.id) for order in orders]
    with django_assert_num_queries(1):
        known.look_up([*ids, stranger, "MUG-RED"])
        known.look_up([*ids, stranger, "MUG-RED"])
    assert [known.name(id_) for id_ in ids] == [order.number for order in orders]
    assert known.address(ids[0]) == f"order:{ids[0]}"
    assert (known.name(stranger), known.address(stranger)) == (stranger, None)
    assert (known.name("MUG-RED"), known.address("MUG-RED")) == ("MUG-RED", None)


def test_of_many_the_first_are_named_and_the_others_counted():
    received, ended = _events(piece("told.many", "A", "B", count=100))
    assert received["args"] == "('A', 'B', 'and 98 more')"
    assert received["kwargs"] == "{'kind': 'step'}"
    assert (ended["type"], ended["runtime"] > 0) == ("task-succeeded", True)


def test_what_failed_comes_with_its_error():
    _, ended = _events(piece("told.late", "A", problem=Problem("TimeoutError: no answer", "  File …")))
    assert (ended["type"], ended["exception"], ended["traceback"]) == (
        "task-retried",
        "TimeoutError: no answer",
        "  File …",
    )


def _events(one: Piece) -> list[dict[str, Any]]:
    return list(sending()._events_of([one]))


def refuses_mail(text: str) -> None:
    raise ValueError(text)


def test_an_error_is_shown_without_the_addresses_of_people():
    with pytest.raises(ValueError, match="ada") as caught:
        refuses_mail("550 <ada.lovelace@example.com>: no such user" + "!" * 1000)
    problem = problem_of(caught.value)
    assert problem.text.startswith("ValueError: 550 <…@…>: no such user!")
    assert len(problem.text) < 600
    assert "in refuses_mail" in problem.traceback
    assert "no such user!" not in problem.traceback


@pytest.mark.django_db(transaction=True)
def test_work_is_told_once_it_is_committed_and_not_if_it_is_rolled_back(told: Told):
    with transaction.atomic():
        tell("told.done", Kind.STEP, ["A"], began=time.time())
        assert told == []
    with transaction.atomic():
        tell("told.undone", Kind.STEP, ["A"], began=time.time())
        transaction.set_rollback(True)
    assert [one.name for one in told] == ["told.done"]


@pytest.mark.django_db(transaction=True)
def test_what_one_message_carried_belongs_together(told: Told):
    pieces.begin(Carrier("message", "told.first", "root"))
    for name in ("told.first", "told.following"):
        tell(name, Kind.STEP, ["A"], began=time.time())
    pieces.end()
    tell("told.elsewhere", Kind.STEP, ["A"], began=time.time())
    first, following, elsewhere = told
    assert (first.id, first.parent, first.root) == ("message", None, "root")
    assert (following.parent, following.root) == ("message", "root")
    assert following.id not in {"message", elsewhere.id}
    assert elsewhere.parent is None


def test_a_message_whose_work_takes_long_is_shown_while_it_lasts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sender, "LONG", SOON)
    flower = sending()
    pieces.tell_to(flower)
    try:
        with hearing(flower.app) as heard:
            pieces.begin(Carrier("long", "told.long", None))
            assert shown(heard(10, 2)) == [[("task-received", "long"), ("task-started", "long")]]
            carrier = pieces.end()
            assert carrier
            assert carrier.shown
    finally:
        pieces.tell_to(None)
        pieces.end()
        flower.stop()
