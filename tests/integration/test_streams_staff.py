"""What people see of publishers and do with them: on the command line and in the admin. No broker is needed."""

from __future__ import annotations

from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from desk.models import Audit
from events.models import StoredEvent
from orderproject.models import User
from publishing import services
from publishing.engine import turn
from publishing.engine.cursors import Held, LeaseLost, claim
from publishing.engine.publisher import Outcome, Publisher
from publishing.models import Cursor, HeldStream
from tests.publishing import orders, recorded

pytestmark = pytest.mark.django_db(transaction=True)


class Memory(Publisher):
    """Remembers what it publishes; refuses the versions that it is told to."""

    name = "kafka"

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.refuses: set[int] = set()

    def publish(self, records: Any, seconds: float) -> Outcome:
        outcome, failed = Outcome(), set[str]()
        for record in records:
            if record.stream in failed:
                continue
            if record.stream_version in self.refuses:
                failed.add(record.stream)
                outcome.refused[record.position] = ValueError("no")
            else:
                self.seen.append((record.stream, record.stream_version))
                outcome.confirmed.add(record.position)
        return outcome

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _configured(settings: Any) -> None:
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:9"


@pytest.fixture
def operator(client: Client) -> Client:
    person = User.objects.create_user("operator", is_staff=True)
    person.groups.add(Group.objects.get(name="operators"))
    client.force_login(person)
    return client


def streams(*arguments: str) -> str:
    out = StringIO()
    call_command("streams", *arguments, stdout=out)
    return out.getvalue()


def run(of: Publisher, cursor: Held) -> None:
    while turn.advance(of, cursor):
        pass


def test_a_dry_run_counts_and_starts_nothing() -> None:
    recorded(orders(3), (1, 2))
    said = streams("start", "kafka", "--since", "0", "--dry-run")
    assert "6 events" in said
    assert not Cursor.objects.exists()
    assert "kafka is not started" in streams("status")
    assert "0 events" in streams("start", "kafka", "--dry-run")
    half = sorted(StoredEvent.objects.values_list("position", flat=True))[3]
    assert "3 events" in streams("start", "kafka", "--since", str(half), "--dry-run")
    assert "6 events" in streams("start", "kafka", "--since", "2020-01-01T00:00:00Z", "--dry-run")


def test_a_publisher_without_an_address_cannot_start() -> None:
    with pytest.raises(CommandError, match="rabbitmq has no address in the settings. Configured: kafka"):
        streams("start", "rabbitmq")


def test_status_tells_position_and_lag_and_error() -> None:
    recorded(orders(3))
    streams("start", "kafka", "--since", "0", "--yes")
    (cursor,) = claim("kafka")
    cursor.failed(ConnectionError("nobody is there"))
    said = streams("status")
    assert "ConnectionError: nobody is there" in said
    assert "live" in said
    run(Memory(), cursor)
    assert Cursor.objects.get().error == ""
    assert list(Audit.objects.values_list("action", "target_kind")) == [("start", "publisher")]


def test_a_backfill_goes_beside_the_live_flow_and_goes_on_after_a_crash() -> None:
    recorded(orders(4))
    streams("start", "kafka", "--since", "0", "--yes")
    (live,) = claim("kafka")
    run(Memory(), live)
    said = streams("start", "kafka", "--since", "0", "--yes")
    assert "publish again, beside what is new, 4 events" in said
    assert "never published" not in said
    with pytest.raises(CommandError, match="A backfill of kafka is running"):
        streams("start", "kafka", "--since", "0", "--yes")
    (backfill,) = claim("kafka")
    memory = Memory()
    turn.advance(memory, backfill, batch=2)
    assert len(memory.seen) == 2
    recorded(orders(1))
    run(memory, live)
    Cursor.objects.filter(backfill=True).update(leased_until=timezone.now())  # kill -9, and 15 seconds later
    (again,) = claim("kafka")
    assert again.position == backfill.position
    run(memory, again)
    assert len(memory.seen) == 5
    with pytest.raises(LeaseLost):
        backfill.move(backfill.position, {})
    again.finish()
    assert Cursor.objects.get().backfill is False


def test_what_was_never_published_is_told_before_it_is_published_late() -> None:
    recorded(orders(4))
    streams("start", "kafka", "--yes")
    said = streams("start", "kafka", "--since", "0", "--dry-run")
    assert "4 of them were never published" in said


def test_a_backfill_can_be_stopped() -> None:
    recorded(orders(1))
    streams("start", "kafka", "--yes")
    streams("start", "kafka", "--since", "0", "--yes")
    streams("stop", "kafka")
    assert Cursor.objects.get().backfill is False
    with pytest.raises(CommandError, match="No backfill of kafka is running"):
        streams("stop", "kafka")


def held() -> tuple[Memory, Held, HeldStream]:
    (order,) = orders(1)
    recorded([order], (1, 2, 3))
    recorded(orders(2))
    services.start(services.plan_start("kafka", 0), actor="test")
    (cursor,) = claim("kafka")
    memory = Memory()
    memory.refuses = {2}
    run(memory, cursor)
    assert len(memory.seen) == 3
    return memory, cursor, HeldStream.objects.get()


def test_the_last_attempt_leaves_it_to_a_person() -> None:
    memory, cursor, one = held()
    HeldStream.objects.update(attempts=19, due_at=timezone.now())
    turn.retry_held(memory, cursor)
    one.refresh_from_db()
    assert (one.attempts, one.due_at) == (20, None)
    assert "waits for a person" in streams("held")


def test_a_person_retries_in_the_admin(operator: Client) -> None:
    memory, cursor, one = held()
    listed = operator.get(reverse("admin:publishing_heldstream_changelist"), {"publisher": "kafka"})
    assert one.stream in listed.content.decode()
    page = operator.get(reverse("admin:publishing_heldstream_change", args=[one.id])).content.decode()
    assert "ValueError: no" in page
    memory.refuses = set()
    operator.post(reverse("admin:publishing_heldstream_retry_one", args=[one.id]), {"confirmed": "yes"})
    assert turn.retry_held(memory, cursor) == 1
    assert not HeldStream.objects.exists()
    assert memory.seen[-2:] == [(one.stream, 2), (one.stream, 3)]


def test_a_person_skips_in_the_admin_with_a_reason(operator: Client) -> None:
    memory, cursor, one = held()
    url = reverse("admin:publishing_heldstream_skip_one", args=[one.id])
    operator.post(url, {"confirmed": "yes"})
    assert HeldStream.objects.get().position == one.position, "without a reason nothing is skipped"
    operator.post(url, {"confirmed": "yes", "reason": "nobody needs it"})
    assert turn.retry_held(memory, cursor) == 1
    assert memory.seen[-1] == (one.stream, 3)
    entry = Audit.objects.get(action="skip")
    assert (entry.reason, entry.details["stream"]) == ("nobody needs it", one.stream)


def test_a_skip_on_the_command_line_needs_a_reason() -> None:
    _, _, one = held()
    with pytest.raises(CommandError, match="Give a reason"):
        streams("skip", "kafka", one.stream, "--yes")
    assert "1 held streams: skip done" in streams("skip", "kafka", one.stream, "--yes", "--reason", "no")


def test_later_events_of_a_held_stream_wait_behind_it() -> None:
    memory, cursor, one = held()
    order = UUID(one.stream.partition(":")[2])
    recorded([order], (4,))
    run(memory, cursor)
    assert (one.stream, 4) not in memory.seen
    memory.refuses = set()
    services.retry(HeldStream.objects.all(), actor="ada")
    turn.retry_held(memory, cursor)
    assert memory.seen[-3:] == [(one.stream, 2), (one.stream, 3), (one.stream, 4)]


def test_the_admin_shows_how_far_publishers_are(operator: Client) -> None:
    recorded(orders(3))
    services.start(services.plan_start("kafka", 0), actor="test")
    html = operator.get(reverse("admin:publishing_cursor_changelist")).content.decode()
    assert "3 events" in html
    page = operator.get(reverse("admin:publishing_cursor_change", args=[Cursor.objects.get().id]))
    assert page.status_code == 200


def test_prometheus_can_watch_the_lag(client: Client) -> None:
    recorded(orders(3))
    services.start(services.plan_start("kafka", 0), actor="test")
    text = client.get("/metrics").content.decode()
    assert 'publishing_lag_events{kind="live",publisher="kafka",slot="0"} 3.0' in text


def test_a_process_that_lost_its_lease_moves_nothing() -> None:
    recorded(orders(2))
    services.start(services.plan_start("kafka", 0), actor="test")
    (frozen,) = claim("kafka")
    assert claim("kafka") == []
    Cursor.objects.update(leased_until=timezone.now())
    (second,) = claim("kafka")
    run(Memory(), second)
    with pytest.raises(LeaseLost):
        run(Memory(), frozen)
    assert Cursor.objects.get().position == StoredEvent.objects.latest("position").position
