"""A breaker that is open postpones deliveries and saga steps, and none of them loses an attempt over it."""

import time
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import redis
from aiosmtpd.controller import Controller
from django.utils import timezone

from events.breakers.breaker import State
from events.delivery.relay import Relay
from events.log.append import emit
from events.models import Attempt, Delivery, StoredEvent
from notifications.models import Notification
from notifications.services import SMTP
from orderproject.stack.ports import free_port
from sagas.engine.cohorts import decide_next
from sagas.engine.sweep import sweep
from sagas.models import SagaRun, SagaStep
from tests import stories
from tests.integration import ailing
from tests.integration.ailing import SERVER, Knocked, Rang, VisitPlanned
from tests.integration.mail import Mail
from tests.integration.test_notifications import Inbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many tests run at once, a quarter of a second without an answer does not mean that Valkey is away."""
    patient = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
    monkeypatch.setattr("events.db.valkey.client", lambda: patient)
    ailing.forget()


def knock(count: int) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    emit(Knocked(door_id=id_) for id_ in ids)
    return ids


def relayed(mail: Mail) -> int:
    """One round of the relay, worked off."""
    Delivery.objects.filter(state="pending").update(due_at=timezone.now() - timedelta(seconds=1))
    sent = Relay(gate=10**9).pump()
    mail.deliver()
    return sent


def deliveries() -> Counter[tuple[str, int]]:
    return Counter(Delivery.objects.filter(subscriber__startswith="tests.answer").values_list("state", "attempts"))


def open_the_breaker() -> None:
    SERVER.report(SERVER.permit(10), 0, 10)
    assert SERVER.snapshot().state is State.OPEN


def test_the_batch_that_opens_the_breaker_is_postponed_and_what_is_behind_it_is_not_tried(mail: Mail):
    knock(120)
    ailing.away.append(True)
    relayed(mail)
    assert SERVER.snapshot().state is State.OPEN
    assert len(ailing.asked) == 50  # one batch found out for all
    assert deliveries() == {("pending", 0): 120}
    wait = Delivery.objects.earliest("due_at").due_at - timezone.now()
    assert timedelta(0) < wait < timedelta(seconds=1)
    assert set(Delivery.objects.values_list("lease", flat=True)) == {None}


def test_half_open_sends_the_probes_and_postpones_the_rest_then_all_is_drained(mail: Mail):
    knock(60)
    open_the_breaker()
    relayed(mail)
    assert ailing.asked == []
    assert deliveries() == {("pending", 0): 60}
    assert set(Delivery.objects.values_list("leases", flat=True)) == {0}  # never sent, so never suspect
    ailing.away.append(True)
    for _ in range(3):
        time.sleep(0.45)
        before = len(ailing.asked)
        relayed(mail)
        assert 1 <= len(ailing.asked) - before <= 2  # a probe that failed travels alone from then on
    assert deliveries() == {("pending", 0): 60}
    probed = len(ailing.asked)
    ailing.away.clear()
    time.sleep(0.45)
    for _ in range(3):
        relayed(mail)
    assert deliveries() == {("done", 0): 60}
    assert len(ailing.asked) == probed + 60
    assert SERVER.snapshot().state is State.CLOSED


def test_a_closed_breaker_lets_single_failures_count_as_ever(mail: Mail):
    *_, bad = knock(40)
    ailing.errors[bad] = OSError("hung up")
    for attempts in (1, 2, 3):
        relayed(mail)
        state = "pending" if attempts < 3 else "dead"
        assert deliveries() == {("done", 0): 39, (state, attempts): 1}
    assert SERVER.snapshot().state is State.CLOSED


def test_an_error_that_no_text_can_hold_harms_none_of_the_others(mail: Mail):
    bad, worse, *_ = knock(20)
    ailing.errors.update({bad: ValueError("read \udcff\0"), worse: ValueError("worse")})
    relayed(mail)
    assert deliveries() == {("done", 0): 18, ("pending", 1): 2}
    assert set(Attempt.objects.values_list("error", flat=True)) == {"read \\udcff", "worse"}


def test_what_is_no_fault_of_the_server_counts_while_the_breaker_is_open(mail: Mail):
    ids = knock(20)
    ailing.away.append(True)
    relayed(mail)
    ailing.away.clear()
    ailing.errors.update({id_: ValueError("broken") for id_ in ids})
    time.sleep(0.45)
    relayed(mail)
    assert deliveries() == {("pending", 1): 20}
    assert SERVER.snapshot().state is State.HALF_OPEN  # it proves nothing about the server either


def test_order_is_kept_while_postponed(mail: Mail):
    door = uuid4()
    doors = [door, uuid4(), door, uuid4(), door]
    emit(Rang(door_id=id_) for id_ in doors)
    open_the_breaker()
    ailing.away.append(True)
    time.sleep(0.45)
    relayed(mail)  # half open: two probes fail, nothing overtakes
    assert len(ailing.asked) <= 2
    ailing.away.clear()
    for _ in range(8):
        time.sleep(0.2)
        relayed(mail)
    done = Delivery.objects.filter(subscriber="tests.answer_one", stream=f"door:{door}").order_by("done_at")
    assert [one.state for one in done] == ["done"] * 3
    assert [one.id for one in done] == sorted(one.id for one in done)
    assert {one.attempts for one in done} == {0}


# --- sagas ---------------------------------------------------------------------------------------------------


def plan_visits(count: int) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    emit(VisitPlanned(visit_id=id_) for id_ in ids)
    assert Relay(gate=10**9).pump() == count
    return ids


def all_late() -> None:
    past = timezone.now() - timedelta(seconds=1)
    SagaStep.objects.filter(due_at__isnull=False).update(due_at=past)
    SagaRun.objects.filter(wake_at__isnull=False).update(wake_at=past)


def steps() -> Counter[tuple[str, int]]:
    return Counter(SagaStep.objects.filter(name="announce").values_list("state", "attempts"))


def swept(mail: Mail) -> None:
    all_late()
    sweep()
    mail.deliver()
    decide_next(list(SagaRun.objects.values_list("id", flat=True)))


def test_the_cohort_that_opens_the_breaker_keeps_its_attempts(mail: Mail):
    plan_visits(30)
    ailing.away.append(True)
    mail.deliver()
    assert len(ailing.asked) == 30
    assert steps() == {("waiting", 0): 30}
    assert SERVER.snapshot().state is State.OPEN
    step = SagaStep.objects.all()[0]
    assert (step.error_code, step.lease) == ("postponed", None)
    assert step.due_at is not None
    assert SagaRun.objects.get(id=step.run_id).wake_at == step.due_at  # so that the sweep asks then


def test_steps_wait_through_a_long_outage_and_all_end_well(mail: Mail):
    open_the_breaker()
    ids = plan_visits(30)
    ailing.away.append(True)
    mail.deliver()
    assert ailing.asked == []
    for probed in (2, 4, 6, 8, 10):
        time.sleep(0.45)
        swept(mail)
        assert len(ailing.asked) == probed
        assert steps() == {("waiting", 0): 30}
    ailing.away.clear()
    time.sleep(0.45)
    swept(mail)
    swept(mail)
    assert steps() == {("done", 1): 30}
    assert set(SagaRun.objects.filter(subject__in=ids).values_list("state", flat=True)) == {"done"}


def test_a_refusal_is_an_answer_and_closes_the_breaker(mail: Mail):
    open_the_breaker()
    (id_,) = plan_visits(1)
    ailing.errors[id_] = ailing.REFUSED
    time.sleep(0.45)
    mail.deliver()
    assert SERVER.snapshot().state is State.CLOSED
    assert SagaStep.objects.get(run__subject=id_).state == "refused"


def test_one_that_fails_among_good_ones_is_counted_and_undone(mail: Mail):
    *_, bad = plan_visits(30)
    ailing.errors[bad] = OSError("hangs")
    mail.deliver()
    assert SERVER.snapshot().state is State.CLOSED
    for _ in range(3):
        swept(mail)
    assert SagaStep.objects.get(run__subject=bad).state == "undone"
    assert SagaRun.objects.filter(state="done").count() == 29


def test_messages_that_come_twice_do_not_use_up_the_probes(mail: Mail):
    plan_visits(5)
    messages = mail.messages()
    for task, args in messages:
        mail.app.tasks[task](*args)
    open_the_breaker()
    time.sleep(0.45)
    for task, args in messages:
        mail.app.tasks[task](*args)
    assert SERVER.permit(9).granted == 2


def test_what_has_vanished_too_often_does_not_use_up_a_probe(mail: Mail):
    """It is never called, so its permit is free again."""
    plan_visits(1)
    open_the_breaker()
    SagaStep.objects.update(attempts=ailing.RETRY.attempts)  # begun so often, and never answered
    time.sleep(0.45)
    mail.deliver()
    assert ailing.asked == []
    assert SagaStep.objects.get().state == "undone"
    assert SagaRun.objects.get().reason_code == "announce_failed"
    assert SERVER.permit(9).granted == 2


# --- mail ----------------------------------------------------------------------------------------------------


def test_a_mail_server_that_is_away_costs_no_attempt(mail: Mail, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    orders = [stories.placed() for _ in range(15)]
    Delivery.objects.update(state="done")
    for order in orders:
        order.confirm()
        order.save()
    mails = Delivery.objects.filter(subscriber="notifications.mail_confirmation")
    relayed(mail)
    assert SMTP.snapshot().state is State.OPEN
    assert set(mails.values_list("state", "attempts", "lease")) == {("pending", 0, None)}
    relayed(mail)
    assert set(mails.values_list("state", "attempts", "lease")) == {("pending", 0, None)}
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=settings.EMAIL_PORT)
    server.start()
    try:
        SMTP.force(State.CLOSED, by="test", why="it is back")
        relayed(mail)
    finally:
        server.stop()
    assert set(mails.values_list("state", "attempts")) == {("done", 0)}
    assert not StoredEvent.objects.filter(type="notification.failed").exists()
    assert len(inbox.mails) == 15
    assert Notification.objects.filter(sent_at=None).count() == 0
