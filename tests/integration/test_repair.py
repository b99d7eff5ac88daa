"""Dead letters, by hand: retried once, discarded and still on record, edited while the log stays as it is."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from desk.models import Audit
from events.dead_letters import repair
from events.dead_letters.queries import delivery_id, letter_id
from events.dead_letters.repair import Group, Outcome
from events.errors import Refused
from events.log.append import emit
from events.models import Attempt, Delivery, DeliveryState, StoredEvent
from events.testing import Broker, drain
from tests.integration import listeners
from tests.integration.listeners import Rang

pytestmark = pytest.mark.django_db(transaction=True)
REFUSED = Group("tests.together", "events.errors.Refused")


def killed(*names: str, bell: UUID | None = None, subscriber: str = "tests.together") -> list[Delivery]:
    """Dead at this subscriber, done at all others."""
    recorded = emit([Rang(bell_id=bell or uuid4(), name=name) for name in names])
    positions = [one.position for one in recorded]
    Delivery.objects.filter(event__in=positions).update(state="done", done_at=timezone.now())
    dead = Delivery.objects.filter(event__in=positions, subscriber=subscriber)
    dead.update(state="dead", attempts=3, leases=3, done_at=None)
    for delivery in dead:
        fail(delivery)
    return list(dead.order_by("id"))


def fail(delivery: Delivery, error_type: str = "events.errors.Refused", **fields: Any) -> None:
    given = {"number": 1, "error": "no", "traceback": "…", "worker": "w", "duration_ms": 7, "at": timezone.now()}
    Attempt.objects.create(delivery=delivery, error_type=error_type, **(given | fields))


def state_of(delivery: Delivery) -> str:
    return Delivery.objects.get(id=delivery.id).state


def command(*args: str) -> str:
    out = StringIO()
    call_command("deadletters", *args, stdout=out)
    return out.getvalue()


# --- retry -----------------------------------------------------------------------------------------------


def test_a_dead_letter_retried_by_hand_runs_with_its_event_once(broker: Broker) -> None:
    (dead,) = killed("a")
    assert repair.retry([dead.id], actor="ada", reason="mended") == Outcome(1)
    drain()
    drain()
    assert listeners.handled == [("together", "a")]
    assert state_of(dead) == "done"
    assert dead.failures.count() == 1
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_kind, line.target_ids, line.reason) == (
        "ada", "retry", "delivery", [str(dead.id)], "mended",
    )  # fmt: skip


def test_a_retried_letter_has_all_its_attempts_before_it(broker: Broker) -> None:
    (dead,) = killed("bad")
    listeners.poison.add("bad")
    repair.retry([dead.id], actor="ada")
    drain()
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("pending", 1)


def test_what_is_not_dead_is_left_alone() -> None:
    (dead,) = killed("a")
    others = list(Delivery.objects.exclude(id=dead.id))
    assert repair.retry([one.id for one in others], actor="ada") == Outcome(0)
    assert {state_of(one) for one in others} == {"done"}
    assert not Audit.objects.exists()


def test_a_dry_run_changes_nothing() -> None:
    (dead,) = killed("a")
    for choice in ([dead.id], REFUSED):
        assert repair.retry(choice, actor="ada", dry_run=True) == Outcome(1)
        assert repair.discard(choice, actor="ada", reason="", dry_run=True) == Outcome(1)
    assert state_of(dead) == "dead"
    assert not Audit.objects.exists()


def test_two_who_retry_at_once_retry_each_letter_once() -> None:
    ids = [dead.id for dead in killed(*"abcdefgh")]
    done: list[int] = []
    start = threading.Barrier(4)

    def work(chosen: list[int]) -> None:
        start.wait()
        done.append(repair.retry(chosen, actor="ada").done)
        connections.close_all()

    people = [threading.Thread(target=work, args=[chosen]) for chosen in (ids, ids[::-1], ids, ids[::-1])]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sum(done) == len(ids)
    assert sorted(id_ for line in Audit.objects.all() for id_ in line.target_ids) == sorted(map(str, ids))


# --- groups ----------------------------------------------------------------------------------------------


def test_groups_go_by_the_error_of_the_last_attempt() -> None:
    one, two = killed("a", "b")
    fail(two, "smtplib.SMTPServerDisconnected", at=timezone.now() + timedelta(seconds=1))
    (ordered,) = killed("c", subscriber="tests.in_order")
    found = {grouped.group: grouped.count for grouped in repair.groups()}
    assert found == {
        REFUSED: 1,
        Group("tests.together", "smtplib.SMTPServerDisconnected"): 1,
        Group("tests.in_order", "events.errors.Refused"): 1,
    }
    assert repair.retry(REFUSED, actor="ada") == Outcome(1)
    assert [state_of(delivery) for delivery in (one, two, ordered)] == ["pending", "dead", "dead"]


def test_a_group_knows_since_when_it_dies() -> None:
    old, new = killed("a", "b")
    Attempt.objects.filter(delivery=old).update(at=timezone.now() - timedelta(hours=2))
    (grouped,) = repair.groups()
    assert grouped.oldest < grouped.newest
    assert grouped.newest == Attempt.objects.get(delivery=new).at


def test_one_without_any_attempt_is_a_group_too() -> None:
    (dead,) = killed("a")
    Attempt.objects.all().delete()
    assert repair.retry(Group("tests.together", ""), actor="ada") == Outcome(1)
    assert state_of(dead) == "pending"


def test_a_large_group_is_worked_in_batches_and_tells_how_far_it_is() -> None:
    killed(*(str(number) for number in range(1201)))
    told: list[int] = []
    assert repair.retry(REFUSED, actor="ada", progress=told.append) == Outcome(1201)
    assert told == [500, 1000, 1201]
    assert [len(line.target_ids) for line in Audit.objects.order_by("id")] == [500, 500, 201]


def test_a_bound_leaves_the_rest() -> None:
    killed(*(str(number) for number in range(700)))
    assert repair.discard(REFUSED, actor="ada", reason="tests", limit=600) == Outcome(600, left=100)
    assert repair.discard(REFUSED, actor="ada", reason="tests", limit=600) == Outcome(100, left=0)


def test_a_batch_costs_as_many_statements_for_five_hundred_as_for_one() -> None:
    costs = []
    for size in (1, 499):
        killed(*(str(number) for number in range(size)))
        with CaptureQueriesContext(connection) as queries:
            repair.retry(REFUSED, actor="ada")
        costs.append(len(queries))
    assert costs[0] == costs[1]


# --- discard ---------------------------------------------------------------------------------------------


def test_a_discarded_letter_stays_on_record_and_is_never_sent(broker: Broker) -> None:
    (dead,) = killed("a")
    assert repair.discard([dead.id], actor="ada", reason="a test order") == Outcome(1)
    drain()
    assert state_of(dead) == DeliveryState.DISCARDED
    assert listeners.handled == []
    assert dead.failures.count() == 1
    assert repair.retry([dead.id], actor="ada") == Outcome(0)
    line = Audit.objects.get()
    assert (line.action, line.reason) == ("discard", "a test order")


def test_discarding_wants_a_reason() -> None:
    (dead,) = killed("a")
    with pytest.raises(Refused, match="Give a reason"):
        repair.discard([dead.id], actor="ada", reason=" ")
    assert state_of(dead) == "dead"


def test_what_stood_in_line_behind_a_discarded_one_goes_on(broker: Broker) -> None:
    bell = uuid4()
    (dead,) = killed("first", bell=bell, subscriber="tests.in_order")
    emit([Rang(bell_id=bell, name="second")])
    drain()
    assert ("in_order", "second") not in listeners.handled
    repair.discard([dead.id], actor="ada", reason="no use")
    drain()
    assert ("in_order", "second") in listeners.handled


# --- edit ------------------------------------------------------------------------------------------------


def edited(dead: Delivery, **changes: Any) -> dict[str, Any]:
    return {**dead.event.data, **changes}


def test_an_edited_letter_runs_with_the_edited_data_while_the_log_keeps_the_original(broker: Broker) -> None:
    (dead,) = killed("a")
    difference = repair.edit(dead, edited(dead, name="b"), actor="ada", reason="a typo")
    assert '-  "name": "a"' in difference
    assert '+  "name": "b"' in difference
    drain()
    assert listeners.handled == [("together", "b")]
    assert StoredEvent.objects.get(position=dead.event_id).data["name"] == "a"
    line = Audit.objects.get()
    assert (line.action, line.reason, line.details["before"]["name"], line.details["after"]["name"]) == (
        "edit", "a typo", "a", "b",
    )  # fmt: skip


def test_other_subscribers_get_the_event_as_it_happened(broker: Broker) -> None:
    (dead,) = killed("a")
    other = Delivery.objects.get(event_id=dead.event_id, subscriber="tests.in_order")
    Delivery.objects.filter(id=other.id).update(state="dead")
    repair.edit(dead, edited(dead, name="b"), actor="ada")
    repair.retry([other.id], actor="ada")
    drain()
    assert sorted(listeners.handled) == [("in_order", "a"), ("together", "b")]


def test_the_edit_outlives_a_retry_and_the_original_data_take_it_back() -> None:
    (dead,) = killed("a")
    repair.edit(dead, edited(dead, name="b"), actor="ada")
    Delivery.objects.filter(id=dead.id).update(state="dead")
    dead.refresh_from_db()
    assert repair.edit(dead, edited(dead, name="b"), actor="ada", dry_run=True) == ""
    assert '-  "name": "b"' in repair.edit(dead, edited(dead), actor="ada")
    dead.refresh_from_db()
    assert dead.edited_data is None


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"name": 5}, "invalid-data", "Expected `str`"),
        ({"nmae": "b"}, "invalid-data", "no field nmae"),
        ({"bellId": str(uuid4())}, "other-stream", "the data are about bell:"),
        ({"name": "\0"}, "invalid-data", "NUL"),
    ],
)
def test_data_that_do_not_fit_are_refused(changes: dict[str, Any], code: str, says: str) -> None:
    (dead,) = killed("a")
    for dry_run in (True, False):
        with pytest.raises(Refused, match=says) as refused:
            repair.edit(dead, edited(dead, **changes), actor="ada", dry_run=dry_run)
        assert refused.value.code == code
    assert state_of(dead) == "dead"


@pytest.mark.parametrize("data", [None, [], "text", 1, {}])
def test_what_is_no_event_at_all_is_refused(data: Any) -> None:
    (dead,) = killed("a")
    with pytest.raises(Refused, match="do not fit"):
        repair.edit(dead, data, actor="ada")


def test_only_a_dead_one_can_be_edited() -> None:
    (dead,) = killed("a")
    repair.retry([dead.id], actor="ada")
    with pytest.raises(Refused, match="is pending"):
        repair.edit(dead, edited(dead, name="b"), actor="ada")
    assert Delivery.objects.get(id=dead.id).edited_data is None


# --- audit, ids ------------------------------------------------------------------------------------------


def test_the_audit_is_append_only_in_the_database_too() -> None:
    (dead,) = killed("a")
    repair.retry([dead.id], actor="ada")
    for forbidden in (
        lambda: Audit.objects.update(actor="eve"),
        lambda: Audit.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            forbidden()


@pytest.mark.parametrize("number", [1, 2**40, 2**62 - 1])
def test_ids_on_the_wire_are_uuids_and_lead_back(number: int) -> None:
    letter = letter_id(number)
    assert (letter.version, delivery_id(letter)) == (8, number)
    assert delivery_id(uuid4()) is None


# --- the command line ------------------------------------------------------------------------------------


def test_the_command_lists_shows_and_groups() -> None:
    (dead,) = killed("a")
    assert str(dead.id) in command("list")
    assert str(dead.id) not in command("list", "--subscriber", "tests.in_order")
    assert "tests.together/events.errors.Refused" in command("groups")
    shown = command("show", str(letter_id(dead.id)))
    assert '"name": "a"' in shown
    assert "attempt 1" in shown


def test_the_command_retries_a_group_after_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    (dead,) = killed("a")
    assert "1 dead" in command("retry", "--group", str(REFUSED), "--dry-run")
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(CommandError, match="Nothing was done"):
        command("retry", "--group", str(REFUSED))
    assert state_of(dead) == "dead"
    monkeypatch.setattr("builtins.input", lambda _: "y")
    command("retry", "--group", str(REFUSED))
    assert state_of(dead) == "pending"
    assert Audit.objects.get().actor.startswith("shell:")


def test_the_command_discards_with_a_reason_only() -> None:
    (dead,) = killed("a")
    with pytest.raises(CommandError, match="--reason"):
        command("discard", str(dead.id), "--yes")
    command("discard", str(dead.id), "--yes", "--reason", "no use")
    assert state_of(dead) == "discarded"


def test_the_command_edits_from_a_file_and_in_an_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (dead,) = killed("a")
    file = tmp_path / "data.json"
    file.write_text(json.dumps(edited(dead, name="b")))
    assert '+  "name": "b"' in command("edit", str(dead.id), "--data", str(file), "--dry-run")
    assert state_of(dead) == "dead"
    monkeypatch.setenv("EDITOR", """sed -i 's/"a"/"c"/'""")
    command("edit", str(dead.id), "--yes")
    assert Delivery.objects.get(id=dead.id).edited_data == edited(dead, name="c")


@pytest.mark.parametrize(
    "args",
    [("retry",), ("retry", "1", "--group", "a/b"), ("retry", "--group", "a"), ("retry", "x"), ("show", "1"),
     ("show", "01a2075a-9ce7-75cd-acb6-7ea3d51a150c")],
)  # fmt: skip
def test_the_command_says_what_is_wrong(args: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        command(*args)
