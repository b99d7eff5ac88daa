"""Claimed by state, sent in batches, handled once; one bad event never holds up its neighbours."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from django.utils import timezone

from events.delivery import sql
from events.delivery.relay import Relay
from events.log.append import emit
from events.models import Attempt, Delivery
from tests.integration import listeners
from tests.integration.listeners import Rang
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)
HOLD_BACK = """
INSERT INTO events_delivery (event_id, subscriber, state, due_at, leases, attempts)
SELECT -number, 'tests.held_back', 'pending', now() - number * interval '1 ms', 0, 0
FROM generate_series(1, %s) AS number
"""


def ring(*names: str, bell: UUID | None = None) -> None:
    emit([Rang(bell_id=bell or uuid4(), name=name) for name in names])


def states(subscriber: str) -> Counter[str]:
    return Counter(Delivery.objects.filter(subscriber=f"tests.{subscriber}").values_list("state", flat=True))


def handled_by(subscriber: str) -> list[str]:
    return [name for who, name in listeners.handled if who == subscriber]


def make_due() -> None:
    Delivery.objects.filter(state="pending").update(due_at=timezone.now() - timedelta(seconds=1))


def test_all_that_is_due_travels_as_one_message_per_subscriber(mail: Mail):
    ring(*"abcdef")
    assert Relay().pump() == 18
    messages = mail.messages()
    assert Counter(task for task, _ in messages) == {"tests.together": 1, "tests.in_order": 1, "tests.outside": 1}
    assert {len(args[0]) for _, args in messages} == {6}


def test_what_is_leased_is_not_sent_again_and_what_got_lost_is(mail: Mail):
    ring("a")
    assert Relay().pump() == 3
    assert Relay().pump() == 0
    mail.purge()  # the broker lost everything
    make_due()  # the leases ran out
    assert Relay().pump() == 3
    mail.deliver()
    assert sorted(listeners.handled) == [("in_order", "a"), ("outside", "a"), ("together", "a")]


def test_every_message_is_preceded_by_a_sign_of_life(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    """Each may wait for a broker that does not answer, and all together for longer than a relay may be silent."""
    told: list[str] = []
    monkeypatch.setattr("events.delivery.relay.touch", told.append)
    monkeypatch.setattr("events.delivery.relay.send", lambda app, task, arguments: told.append(task))
    ring("a")
    assert Relay().pump() == 0
    assert Counter(told) == {"relay": 3, "tests.in_order": 1, "tests.outside": 1, "tests.together": 1}
    assert told[::2] == ["relay"] * 3


def test_a_message_delivered_twice_acts_once(mail: Mail):
    ring("a", "b")
    Relay().pump()
    messages = mail.messages()
    for task, args in messages * 2:
        mail.app.tasks[task](*args)
    assert Counter(listeners.handled).most_common(1)[0][1] == 1
    assert states("together") == {"done": 2}


def test_two_relays_never_send_a_delivery_twice_within_its_lease(mail: Mail):
    for _ in range(10):
        ring(*(str(number) for number in range(50)))
    start = threading.Barrier(4)

    def pump() -> None:
        relay = Relay(batch=20, gate=10**9)
        start.wait()
        while relay.pump():
            pass
        connections.close_all()

    relays = [threading.Thread(target=pump) for _ in range(4)]
    for thread in relays:
        thread.start()
    for thread in relays:
        thread.join()
    sent = Counter((task, id_) for task, args in mail.messages() for id_ in args[0])
    assert len(sent) == 1500
    assert set(sent.values()) == {1}
    assert set(Delivery.objects.values_list("leases", flat=True)) == {1}


def test_the_gate_holds_back_while_messages_wait(mail: Mail):
    relay = Relay(gate=0)
    ring("a")
    assert relay.pump() == 3
    ring("b", "c")
    assert relay.pump() == 0
    mail.deliver()
    assert relay.pump() == 6
    assert [len(args[0]) for _, args in mail.messages()] == [2, 2, 2]


def test_what_is_held_back_costs_no_other_subscribers_claim_a_look(mail: Mail):
    ring("a")
    with connection.cursor() as cursor:
        cursor.execute(HOLD_BACK, [50_000])
        cursor.execute("ANALYZE events_delivery")
        wanted: dict[str, Any] = {
            "subscribers": ["tests.together"],
            "inline": [],
            "limit": 100,
            "seconds": 1,
            "lease": uuid4(),
            "traced": False,
        }
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql.CLAIM}", wanted)
        ((plan,),) = cursor.fetchall()
    claim = plan[0]["Plan"]
    assert claim["Actual Rows"] == 1
    assert claim["Shared Hit Blocks"] + claim["Shared Read Blocks"] < 60


def test_one_poison_event_is_isolated_and_all_others_are_delivered(mail: Mail):
    names = [str(number) for number in range(64)]
    listeners.poison.add("17")
    ring(*names)
    Relay().pump()
    mail.deliver()
    assert sorted(handled_by("together")) == sorted(set(names) - {"17"})
    assert states("together") == {"done": 63, "pending": 1}
    assert len([size for size in listeners.calls if size > 1]) < 16  # halves, not one by one
    attempt = Attempt.objects.get(delivery__subscriber="tests.together")
    assert attempt.error == "17 is poison"
    assert "ValueError" in attempt.traceback
    assert attempt.worker


def test_failures_back_off_and_end_dead_with_every_attempt_on_record(mail: Mail):
    listeners.poison.add("bad")
    ring("bad")
    for attempt in (1, 2, 3):
        Relay().pump()
        mail.deliver()
        delivery = Delivery.objects.get(subscriber="tests.together")
        assert delivery.attempts == attempt
        if attempt < 3:
            wait = (delivery.due_at - timezone.now()).total_seconds()
            assert 2 ** (attempt - 1) / 2 - 0.5 <= wait <= 2 ** (attempt - 1)
        make_due()
    assert delivery.state == "dead"
    assert list(delivery.failures.values_list("number", flat=True)) == [1, 2, 3]
    assert Relay().pump() == 0


def test_a_refusal_is_not_retried(mail: Mail):
    ring("refused")
    Relay().pump()
    mail.deliver()
    assert states("together") == {"dead": 1}


def test_a_batch_outside_transactions_reports_its_failures_one_by_one(mail: Mail):
    listeners.poison.add("b")
    ring("a", "b", "c")
    Relay().pump()
    mail.deliver()
    assert handled_by("outside") == ["a", "c"]
    assert states("outside") == {"done": 2, "pending": 1}
    listeners.poison.clear()
    first_keys = list(listeners.keys_seen)
    make_due()
    Relay().pump()
    mail.deliver()
    assert listeners.keys_seen[-1] == first_keys[1]  # the same key at every attempt


def test_who_lost_the_lease_writes_nothing(mail: Mail):
    ring("a")
    Relay().pump()
    stale = [args for task, args in mail.messages() if task == "tests.outside"]
    make_due()
    Relay().pump()  # another lease now
    mail.app.tasks["tests.outside"](*stale[0])
    assert handled_by("outside") == []
    assert states("outside") == {"pending": 1}


def test_order_per_stream_where_asked_for(mail: Mail):
    faulty, sound = uuid4(), uuid4()
    listeners.poison.add("f1")
    ring("f1", "f2", bell=faulty)
    ring("s1", "s2", "s3", bell=sound)
    Relay().pump()
    mail.deliver()
    assert handled_by("in_order") == ["s1", "s2", "s3"]
    Relay().pump()
    mail.deliver()
    assert "f2" not in handled_by("in_order")  # waits behind f1, which backs off
    listeners.poison.clear()
    make_due()
    Relay().pump()
    mail.deliver()
    assert handled_by("in_order")[3:] == ["f1"]  # alone, since it was sent before: f2 must not overtake it
    Relay().pump()
    mail.deliver()
    assert handled_by("in_order")[3:] == ["f1", "f2"]


def test_a_dead_delivery_holds_up_only_its_own_stream(mail: Mail):
    faulty = uuid4()
    ring("refused", "behind", bell=faulty)
    Relay().pump()
    mail.deliver()
    ring("next", bell=uuid4())
    make_due()
    Relay().pump()
    mail.deliver()
    assert handled_by("in_order") == ["next"]


def test_an_event_that_no_code_can_decode_is_a_failure_like_any_other(mail: Mail):
    ring("a", "b")
    with connection.cursor() as cursor:  # as if written by a version of the code that is not deployed here
        cursor.execute(
            "INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source, actor,"
            " correlation_id, causation_id, traceparent, time) VALUES (gen_random_uuid(), 'bell:x', 1, 'bell.rang',"
            " '7.0', '{}', 's', '', '', '', '', now()) RETURNING position"
        )
        (position,) = cursor.fetchone()
    Delivery.objects.create(event_id=position, subscriber="tests.together", due_at=timezone.now())
    Relay().pump()
    mail.deliver()
    assert sorted(handled_by("together")) == ["a", "b"]
    assert Attempt.objects.filter(delivery__event_id=position).get().error_type == "events.errors.UnknownEvent"
