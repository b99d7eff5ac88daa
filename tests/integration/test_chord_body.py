"""The body of a chord: it is sent once, by whoever counts the last part, and goes on with a call at once."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from redis import Redis

from events.declare import queues
from events.delivery.relay import Relay
from events.log.append import emit
from orderproject.celery import app
from sagas import results, tasks
from sagas.models import SagaRun, SagaStep
from tests.integration import ailing
from tests.integration.ailing import SERVER, PartyPlanned
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_worker_of_payments() -> Iterator[None]:
    ailing.forget()
    queues.serve(["payments"])
    yield
    queues.serve([])


def prepared(mail: Mail, count: int = 1) -> list[str]:
    """The runs of parties whose first stage is done."""
    emit(PartyPlanned(party_id=uuid4()) for _ in range(count))
    Relay().pump()
    mail.deliver()
    return [str(id_) for id_ in SagaRun.objects.values_list("id", flat=True)]


def settle(ids: list[str]) -> list[str]:
    """What the body's task says to PostgreSQL."""
    with CaptureQueriesContext(connection) as captured:
        app.tasks["sagas.decide"](ids)
    return [query["sql"].lstrip() for query in captured.captured_queries]


def announcements() -> list[tuple[str, int, str]]:
    found = SagaStep.objects.filter(name="announce").values_list("state", "attempts", "error_code")
    return sorted(found)


def test_a_call_is_begun_and_leased_in_one_transaction(mail: Mail):
    ids = prepared(mail, 3)
    said = settle(ids)
    assert announcements() == [("done", 1, "")] * 3
    assert set(SagaRun.objects.values_list("state", flat=True)) == {"done"}
    assert said.count("COMMIT") == 2, "one before the calls, one for what they brought"
    assert mail.messages() == []


def test_a_call_belongs_to_a_worker_of_its_queue(mail: Mail):
    ids = prepared(mail)
    queues.serve(["orders"])
    settle(ids)
    assert announcements() == [("waiting", 0, "")]
    assert [task for task, _ in mail.messages()] == ["tests.announce"]


def test_without_a_permit_no_attempt_is_spent(mail: Mail):
    ids = prepared(mail)
    SERVER.report(SERVER.permit(10), 0, 10)
    settle(ids)
    assert ailing.asked == []
    assert announcements() == [("waiting", 0, "postponed")]
    assert not SagaStep.objects.filter(lease__isnull=False).exists()


def test_what_cannot_be_leased_is_begun_and_fails_by_itself(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    ids = prepared(mail)

    def raises(calls: Any) -> Any:
        raise RuntimeError("no names")

    monkeypatch.setitem(vars(ailing.announce), "load", raises)
    settle(ids)
    assert announcements() == [("waiting", 1, "RuntimeError")]


def test_a_body_that_comes_twice_calls_once(mail: Mail):
    ids = prepared(mail)
    settle(ids * 2)
    settle(ids)
    assert len(ailing.asked) == 1


# --- counting ------------------------------------------------------------------------------------------------


def ended(group: str, part: str, *runs: object, parts: int = 2, queue: str = "orders") -> None:
    body = app.signature("sagas.decide", args=([str(run) for run in runs],), immutable=True, queue=queue)
    chord = {**body, "chord_size": parts, results.COUNTED: True} if parts else body
    app.backend.on_chord_part_return(SimpleNamespace(id=part, group=group, group_index=0, chord=chord), "SUCCESS", 1)


def test_the_last_part_sends_the_body_and_nothing_is_left(mail: Mail):
    group, run = str(uuid4()), uuid4()
    ended(group, "a", run)
    ended(group, "a", run)
    assert mail.messages() == []
    ended(group, "b", run)
    assert mail.messages() == [("sagas.decide", [[str(run)]])]
    ended(group, "b", run)
    assert mail.messages() == []
    valkey: Any = Redis.from_url(settings.REDIS_URL)
    (late,) = valkey.keys(f"*{group}*")
    assert 0 < valkey.ttl(late) <= 3600


def both_ended(*runs: object) -> None:
    group = str(uuid4())
    for part in ("a", "b"):
        ended(group, part, *runs, queue="payments")


def test_a_worker_of_its_queue_runs_the_body_where_it_counts_the_last_part(mail: Mail):
    both_ended(*prepared(mail))
    assert announcements() == [("done", 1, "")]
    assert mail.messages() == []


def test_the_body_of_many_is_sent(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results, "LIGHT_LOAD_RUNS", 1)
    ids = prepared(mail, 2)
    both_ended(*ids)
    assert announcements() == []
    assert mail.messages() == [("sagas.decide", [ids])]


def test_a_body_that_raises_where_it_is_run_at_once_is_sent(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    ids = prepared(mail)

    def raises(*_: object) -> None:
        raise OperationalError("PostgreSQL is away")

    monkeypatch.setattr(tasks, "decide_next", raises)
    both_ended(*ids)
    assert mail.messages() == [("sagas.decide", [ids])]


def test_a_part_of_before_an_upgrade_is_left_to_the_sweep(mail: Mail):
    ended("old", "a", uuid4(), parts=0)
    assert mail.messages() == []


def test_calls_are_sent_before_what_takes_less_time(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    from tests.integration.test_publishing import send_chord

    sent: list[str] = []
    before, usual = sent.append, app.amqp.send_task_message
    monkeypatch.setattr(
        app.amqp,
        "send_task_message",
        lambda producer, name, *rest, **more: (before(name), usual(producer, name, *rest, **more)),
    )
    send_chord()
    assert sent == ["payments.authorize_payment", "inventory.hold_stock"]
