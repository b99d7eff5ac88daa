"""What a relay has claimed and not sent, and what it dies of, when it stops, is killed or finds the broker gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from unittest.mock import ANY
from uuid import uuid4

import pytest
from celery import Celery
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events import Queue
from events.declare.queues import declared_queues
from events.delivery.relay import Batch, Relay
from events.models import Delivery
from orderproject.stack.ports import free_port
from tests.integration import inline
from tests.integration.inline import see
from tests.integration.mail import Mail
from tests.integration.test_relay import make_due, ring

pytestmark = pytest.mark.django_db(transaction=True)


class Unsuspecting(Relay):
    """It has looked at the queues while the broker was still there."""

    def _open_queues(self) -> set[Queue]:
        return set(declared_queues())


class ToldToStop(Relay):
    """The signal arrives between the claim and the sending."""

    def _claim(self, names: list[str], at_once: Sequence[str] = ()) -> list[Batch]:
        self.stopping = True
        return super()._claim(names, at_once)


def test_what_a_relay_has_claimed_when_it_is_told_to_stop_is_due_for_the_next_one(mail: Mail):
    ring("a", "b")
    ToldToStop().pump()
    assert mail.messages() == [("tests.in_order", ANY)]  # had left before
    assert Relay().pump() == 4
    assert len(mail.messages()) == 2  # nothing is suspect, so all travel together


def test_what_could_not_be_sent_waits_for_the_broker_and_not_for_its_lease(mail: Mail):
    ring("a", "b")
    away = Celery(broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False)
    away.conf.update(broker_transport_options={"max_retries": 0}, task_publish_retry=False)
    assert Unsuspecting(app=away).pump() == 0
    assert Relay().pump() == 6
    assert len(mail.messages()) == 3


def test_a_broker_that_did_not_answer_is_not_asked_a_second_time_before_the_next_sign_of_life(
    monkeypatch: pytest.MonkeyPatch,
):
    happened: list[str] = []

    class Unanswered(Relay):
        def _open_queues(self) -> set[Queue]:
            happened.append("asked")
            self.stopping = len(happened) > 4
            raise TimeoutError

    monkeypatch.setattr("events.delivery.relay.touch", lambda _: happened.append("alive"))
    Unanswered(poll=0.01).run()
    assert happened == ["alive", "asked"] * 3


# --- what is handled within the claim ----------------------------------------------------------------------


class Killed(BaseException):
    """As when the process ends in the middle."""


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(inline, "look", die)
    return monkeypatch


def the_one() -> Delivery:
    return Delivery.objects.get(subscriber="tests.look_at_once")


def caught_up() -> Relay:
    """A relay that has once found nothing due any more."""
    relay = Relay()
    relay.pump()
    assert relay.caught_up
    return relay


def test_a_settled_relay_claims_and_handles_in_one_transaction(mail: Mail, deadly: pytest.MonkeyPatch):
    relay = caught_up()
    see("a")
    with pytest.raises(Killed):
        relay.pump()
    assert the_one().leases == 0  # rolled back: as if nothing had happened


def test_a_relay_that_has_just_begun_leaves_a_trace_of_what_it_dies_of(mail: Mail, deadly: pytest.MonkeyPatch):
    see("a")
    for leases, attempts in ((1, 0), (2, 0), (3, 1), (4, 2)):
        with pytest.raises(Killed):
            Relay().pump()
        assert (the_one().leases, the_one().attempts) == (leases, attempts)
        make_due()
    see("b")
    deadly.undo()
    Relay().pump()
    assert dict(Delivery.objects.filter(subscriber="tests.look_at_once").values_list("event__data__name", "state")) == {
        "a": "dead",
        "b": "done",
    }


def test_what_is_suspect_is_counted_by_a_settled_relay_too(mail: Mail, deadly: pytest.MonkeyPatch):
    relay = caught_up()
    see("a")
    Delivery.objects.update(leases=1)
    with pytest.raises(Killed):
        relay.pump()
    assert the_one().alone_at is not None


def test_a_relay_trusts_a_backlog_from_the_second_batch_of_a_subscriber_on(mail: Mail):
    see(*"abcdef")
    seen = Delivery.objects.filter(subscriber="tests.look_at_once")
    relay = Relay(batch=2)
    while not relay.caught_up:
        relay.pump()
    assert Counter(seen.values_list("state", "leases")) == {("done", 1): 2, ("done", 0): 4}


def test_what_kills_a_trusting_relay_is_found_by_the_next_one(mail: Mail, deadly: pytest.MonkeyPatch):
    relay = Relay(batch=2)
    relay.claimed_counts["tests.look_at_once"] = 2
    see("a", "b", "c")
    with pytest.raises(Killed):
        relay.pump()
    assert not Delivery.objects.filter(subscriber="tests.look_at_once", leases__gt=0).exists()
    with pytest.raises(Killed):
        Relay(batch=2).pump()
    assert Delivery.objects.filter(subscriber="tests.look_at_once", leases=1).exists()


def test_care_costs_one_commit_and_only_at_the_beginning(mail: Mail):
    def statements(relay: Relay) -> list[str]:
        see(str(uuid4()))
        with CaptureQueriesContext(connection) as queries:
            relay.pump()
        return [query["sql"] for query in queries]

    relay = Relay()
    careful, usual = statements(relay), statements(relay)
    assert relay.caught_up
    assert sum("BEGIN" in one for one in careful) == sum("BEGIN" in one for one in usual) + 1
