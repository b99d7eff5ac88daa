"""Old events handed over again: exactly once per replay, and only to who said that this may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from desk.models import Audit
from events import Conflict, Refused
from events.delivery import retention
from events.log.append import emit
from events.models import Delivery, Replay, StoredEvent
from events.replay import replays
from events.replay.runner import continue_replay
from events.testing import Broker, drain
from orderproject.celery import app
from tests.integration import echoes
from tests.integration.echoes import Shouted, Whispered

pytestmark = pytest.mark.django_db(transaction=True)
EARLIER, LATER = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
ECHO, IN_TURN = "tests.echo", "tests.in_turn"


@pytest.fixture(autouse=True)
def _quiet_valley(broker: Broker) -> Iterator[None]:
    """Nothing is heard before, and messages lie where the test can read them."""
    echoes.forget()
    yield
    echoes.forget()


def shout(*words: str, valley: UUID | None = None) -> UUID:
    """Shouted and heard, and forgotten that it was heard."""
    valley = valley or uuid4()
    emit([Shouted(valley_id=valley, word=word) for word in words])
    return valley


def heard_and_forgotten() -> None:
    drain()
    echoes.forget()


def replayed(name: str, **narrowed: object) -> Replay:
    """Started, handed over, delivered, and done."""
    replay = replays.start(replays.scope(name, **narrowed), actor="test")  # type: ignore[arg-type]
    finish(replay)
    return replay


def finish(replay: Replay) -> None:
    for _ in range(100):
        Replay.objects.filter(state="running").update(due_at=timezone.now() - timedelta(seconds=1))
        continue_replay(5, replay.id)
        drain()
        replay.refresh_from_db()
        if replay.state != "running":
            return
    raise AssertionError(f"the replay does not end: {replay.position} of {replay.boundary}")


def heard() -> Counter[tuple[str, str]]:
    return Counter(echoes.heard)


# --- to whom, and how often ------------------------------------------------------------------------------------


def test_a_replay_reaches_its_subscriber_alone_and_each_event_once() -> None:
    shout("a", "b")
    shout("c")
    heard_and_forgotten()
    replay = replayed(ECHO)
    assert heard() == {("echo", "a"): 1, ("echo", "b"): 1, ("echo", "c"): 1}
    assert (replay.state, replay.expected, replay.handled) == ("done", 3, 3)
    assert replays.progress_of(replay) == replays.Progress(handled=3, expected=3, deliveries=3, delivered=3, dead=0)


def test_a_second_replay_delivers_once_more_with_keys_of_its_own() -> None:
    shout("a")
    drain()
    first, second = replayed(ECHO), replayed(ECHO)
    assert heard()["echo", "a"] == 3
    event_id = StoredEvent.objects.get().event_id
    assert echoes.keys_seen == [f"{ECHO}:{event_id}{replay}" for replay in ("", f":{first.id}", f":{second.id}")]


def test_handlers_know_when_it_happened_and_not_when_it_is_replayed() -> None:
    shout("a")
    recorded = StoredEvent.objects.get().time
    heard_and_forgotten()
    replayed(ECHO)
    assert echoes.moments == [recorded]


def test_asking_again_in_the_middle_makes_no_delivery_twice() -> None:
    shout(*"abc")
    heard_and_forgotten()
    replay = replays.start(replays.scope(ECHO), actor="test")
    continue_replay(5, replay.id)
    # As if whoever was at it had died after its last commit but one.
    Replay.objects.filter(id=replay.id).update(position=0, due_at=timezone.now() - timedelta(seconds=1))
    finish(replay)
    assert heard() == {("echo", word): 1 for word in "abc"}


def test_a_narrow_scope() -> None:
    valley = shout(*"ab")
    shout("c")
    heard_and_forgotten()
    replayed(ECHO, stream=f"valley:{valley}")
    assert heard() == {("echo", "a"): 1, ("echo", "b"): 1}


def test_a_stretch_of_time() -> None:
    base = datetime(2026, 1, 1, tzinfo=UTC)
    shout(*(str(hour) for hour in range(24)))
    at({position: base + timedelta(hours=hour) for hour, position in enumerate(positions())})
    heard_and_forgotten()
    replayed(ECHO, since=base + timedelta(hours=5), until=base + timedelta(hours=8))
    assert [word for _, word in echoes.heard] == ["5", "6", "7"]
    echoes.forget()
    replayed(ECHO, since=base + timedelta(hours=22))
    assert [word for _, word in echoes.heard] == ["22", "23"]


def positions() -> list[int]:
    return list(StoredEvent.objects.order_by("position").values_list("position", flat=True))


def at(moments: dict[int, datetime]) -> None:
    """The log takes no change; a test makes its past all the same."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events_storedevent DISABLE TRIGGER events_append_only")
        for position, moment in moments.items():
            cursor.execute("UPDATE events_storedevent SET time = %s WHERE position = %s", [moment, position])
        cursor.execute("ALTER TABLE events_storedevent ENABLE TRIGGER events_append_only")


def test_all_types_of_a_subscriber_in_the_order_of_their_stream() -> None:
    valley = shout("a")
    emit([Whispered(valley_id=valley)])
    shout("b", valley=valley)
    heard_and_forgotten()
    replayed(IN_TURN)
    assert echoes.heard == [("in_turn", "a"), ("in_turn", "…"), ("in_turn", "b")]


def test_it_needs_no_delivery_of_the_past() -> None:
    shout(*"ab")
    heard_and_forgotten()
    Delivery.objects.all().delete()
    replayed(ECHO)
    assert heard() == {("echo", "a"): 1, ("echo", "b"): 1}


def test_what_happens_after_the_start_is_delivered_as_ever() -> None:
    shout("a")
    heard_and_forgotten()
    replay = replays.start(replays.scope(ECHO), actor="test")
    continue_replay(5, replay.id)
    shout("b")
    finish(replay)
    assert (heard()["echo", "a"], heard()["echo", "b"]) == (1, 1)


def test_the_past_does_not_push_in_front_of_what_happens_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.replay.redeliver.BATCH", 2)
    monkeypatch.setattr("events.replay.redeliver.MAX_PENDING", 4)
    shout(*(str(number) for number in range(20)))
    heard_and_forgotten()
    replay = replays.start(replays.scope(ECHO), actor="test")
    continue_replay(5, replay.id)
    assert Delivery.objects.filter(state="pending").count() == 4
    finish(replay)
    assert len(echoes.heard) == 20


def test_deliveries_of_a_replay_are_forgotten_some_time_after_it() -> None:
    shout(*"ab")
    drain()
    replay = replayed(ECHO)
    retention.prune()
    assert replay.deliveries.count() == 2
    Replay.objects.update(finished_at=timezone.now() - timedelta(days=31))
    assert retention.prune()["replayed deliveries"] == 2
    assert replay.deliveries.count() == 0
    assert replays.progress_of(replay).delivered == 2


def test_messages_alone_take_it_to_its_end(broker: Broker) -> None:
    """The start sends one, and whoever has had its turn sends the next; beat's only help where one got lost."""
    shout(*"abc")
    heard_and_forgotten()
    replay = replays.start(replays.scope(ECHO), actor="test")
    (first,) = broker.take()
    assert (first.task, first.args) == ("events.replay", [])
    first.run()
    drain()
    Replay.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    app.tasks["events.replay"]()
    replay.refresh_from_db()
    assert replay.state == "done"
    assert heard() == {("echo", word): 1 for word in "abc"}


def test_a_turn_that_is_over_sends_for_the_next(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.tasks.TURN", 0.0)
    replay = replays.start(replays.scope(ECHO), actor="test")
    broker.empty()
    app.tasks["events.replay"]()
    assert [(message.task, message.args) for message in broker.take()] == [("events.replay", [])]
    replay.refresh_from_db()
    assert (replay.state, replay.lease) == ("running", None)


# --- asking --------------------------------------------------------------------------------------------------


def test_a_dry_run_only_counts() -> None:
    valley = shout(*"abc")
    shout("d")
    heard_and_forgotten()
    assert replays.size_of(replays.scope(ECHO)) == replays.Size(events=4, deliveries=4)
    assert replays.size_of(replays.scope(ECHO, stream=f"valley:{valley}")).events == 3
    assert replays.size_of(replays.scope(ECHO, since=timezone.now() + timedelta(hours=1))).events == 0
    assert replays.size_of(replays.scope("orders.daily_sales")) == replays.Size(events=0, deliveries=0)
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"name": "tests.nobody"}, "unknown-subscriber"),
        ({"name": "tests.frighten"}, "not-replayable"),
        ({"name": "notifications.mail_confirmation"}, "not-replayable"),
        ({"name": "orders.daily_sales", "stream": "order:1"}, "whole-log-only"),
        ({"name": ECHO, "since": LATER, "until": EARLIER}, "empty-range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused(asked: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as refused:
        replays.scope(**asked)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_one_at_a_time_per_subscriber() -> None:
    replays.start(replays.scope(ECHO), actor="test")
    with pytest.raises(Conflict, match="is running: wait for it"), transaction.atomic():
        replays.start(replays.scope(ECHO), actor="test")
    replays.start(replays.scope(IN_TURN), actor="test")


def test_starting_and_stopping_is_audited() -> None:
    shout("a")
    heard_and_forgotten()
    replay = replays.start(replays.scope(ECHO), actor="ann", reason="the echo was ill")
    replays.stop(replay.id, actor="bob", reason="never mind")
    finish(replay)
    assert (replay.state, heard()["echo", "a"]) == ("stopped", 0)
    stopping, starting = Audit.objects.order_by("-id")
    assert (starting.actor, starting.action, starting.reason) == ("ann", "replay", "the echo was ill")
    assert starting.details == {"subscriber": ECHO}
    assert (stopping.actor, stopping.action, stopping.target_ids) == ("bob", "stop replay", [str(replay.id)])
    with pytest.raises(Refused, match="Only a running replay"):
        replays.stop(replay.id, actor="bob")


def test_an_empty_log_is_soon_replayed() -> None:
    assert replayed(ECHO).state == "done"
