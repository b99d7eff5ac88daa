"""What is over is forgotten after its time, and nothing else; two that forget at once do no harm."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid_utils.compat import uuid7

from events.delivery import retention
from events.log.append import emit
from events.models import Attempt, DeadMessage, DeadReason, Delivery, StoredEvent
from orders.models import IdempotentRequest
from orders.tasks import prune_idempotent_requests
from sagas.engine import retention as saga_retention
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState, StepState
from tests import stories
from tests.integration.listeners import Rang

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timezone.now() - timedelta(days=365)


def rung(count: int = 1, *, old: bool) -> list[StoredEvent]:
    """Old ones were recorded a year ago: the log takes the time that it is given."""
    recorded = emit([Rang(bell_id=uuid4(), name=str(number)) for number in range(count)])
    positions = [one.position for one in recorded]
    if old:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events_storedevent DISABLE TRIGGER events_append_only")
            cursor.execute("UPDATE events_storedevent SET time = %s WHERE position = ANY(%s)", [LONG_AGO, positions])
            cursor.execute("ALTER TABLE events_storedevent ENABLE TRIGGER events_append_only")
        Delivery.objects.filter(event__in=positions).update(done_at=LONG_AGO, due_at=LONG_AGO)
    return list(StoredEvent.objects.filter(position__in=positions))


def deliveries(events: list[StoredEvent], state: str) -> list[Delivery]:
    Delivery.objects.filter(event__in=events).update(state=state)
    found = list(Delivery.objects.filter(event__in=events))
    for delivery in found:
        Attempt.objects.create(
            delivery=delivery, number=1, error_type="E", error="", traceback="", worker="", duration_ms=1, at=LONG_AGO
        )
    return found


def left(chosen: list[Delivery]) -> int:
    return Delivery.objects.filter(id__in=[one.id for one in chosen]).count()


# --- deliveries ------------------------------------------------------------------------------------------


def test_deliveries_that_are_done_for_long_go_with_their_attempts_and_the_log_stays() -> None:
    old = deliveries(rung(3, old=True), "done")
    young = deliveries(rung(2, old=False), "done")
    Delivery.objects.filter(id__in=[one.id for one in young]).update(done_at=timezone.now())
    assert retention.prune()["deliveries"] == len(old) == 9
    assert left(old) == 0
    assert left(young) == len(young)
    assert Attempt.objects.count() == len(young)
    assert StoredEvent.objects.count() == 5


@pytest.mark.parametrize("state", ["pending", "dead", "discarded"])
def test_what_waits_or_is_on_record_stays(state: str) -> None:
    kept = deliveries(rung(old=True), state)
    gone = deliveries(rung(old=True), "done")
    retention.prune()
    assert (left(kept), left(gone)) == (3, 0)
    assert Attempt.objects.count() == 3


def test_an_old_event_that_was_delivered_late_stays_its_time() -> None:
    late = deliveries(rung(old=True), "done")
    Delivery.objects.all().update(done_at=timezone.now())
    retention.prune()
    assert left(late) == 3


def test_one_run_is_bounded_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(retention, "MAX_RANGE", 25)
    old = deliveries(rung(20, old=True), "done")
    assert [retention.prune()["deliveries"] for _ in range(4)] == [30, 30, 0, 0]
    assert left(old) == 0


def test_a_batch_costs_as_many_statements_for_many_as_for_one() -> None:
    costs = []
    for count in (1, 100):
        deliveries(rung(count, old=True), "done")
        before = retention._Deliveries(timezone.now() - timedelta(days=30))
        with CaptureQueriesContext(connection) as queries:
            before.delete(500)
        costs.append(len(queries))
    assert costs[0] == costs[1] == 3


def test_nothing_is_pruned_from_an_empty_log() -> None:
    assert set(retention.prune().values()) == {0}


def test_two_that_prune_at_once_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 5)
    old = deliveries(rung(30, old=True), "done")
    kept = deliveries(rung(5, old=True), "dead")
    gone: list[int] = []
    start = threading.Barrier(3)

    def prune() -> None:
        start.wait()
        gone.append(retention.prune()["deliveries"])
        connections.close_all()

    beats = [threading.Thread(target=prune) for _ in range(3)]
    for beat in beats:
        beat.start()
    for beat in beats:
        beat.join()
    gone.append(retention.prune()["deliveries"])
    assert sum(gone) == len(old) == 90
    assert left(kept) == 15


def test_who_finds_another_at_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    deliveries(rung(old=True), "done")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('events.pruning:deliveries', 0))")
            held.set()
            done.wait(10)
            cursor.execute("SELECT pg_advisory_unlock_all()")  # the pool keeps the connection
        connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    assert retention.prune()["deliveries"] == 0
    done.set()
    other.join()
    assert Delivery.objects.count() == 3


# --- dead messages, sagas, answers -----------------------------------------------------------------------


def test_dead_messages_go_once_they_were_sent_again_or_discarded() -> None:
    now = timezone.now()
    for retried_at, discarded_at in ((LONG_AGO, None), (None, LONG_AGO), (now, None), (None, now), (None, None)):
        DeadMessage.objects.create(
            queue="orders", reason=DeadReason.MALFORMED, headers="{}", properties="{}", body=b"", received_at=LONG_AGO,
            retried_at=retried_at, discarded_at=discarded_at,
        )  # fmt: skip
    assert retention.prune()["dead messages"] == 2
    assert not DeadMessage.objects.filter(Q(retried_at=LONG_AGO) | Q(discarded_at=LONG_AGO)).exists()


def saga(state: RunState, **changes: Any) -> SagaRun:
    """From a year ago, as its id says."""
    run = stories.saga_run(uuid4(), state, {})
    old = {"id": _uuid_of(LONG_AGO), "started_at": LONG_AGO, "finished_at": LONG_AGO}
    SagaRun.objects.filter(id=run.id).update(**(old | changes))
    run = SagaRun.objects.get(subject=run.subject)
    run.steps.create(name="one", state=StepState.DONE, begun_at=LONG_AGO)
    return run


def _uuid_of(moment: datetime) -> UUID:
    return UUID(int=int(moment.timestamp() * 1000) << 80 | uuid4().int >> 64)


def test_sagas_that_ended_long_ago_go_with_their_steps() -> None:
    for state in (RunState.DONE, RunState.UNDONE):
        saga(state)
    kept = [
        saga(RunState.STUCK, finished_at=None),
        saga(RunState.RUNNING, finished_at=None),
        saga(RunState.DONE, finished_at=timezone.now()),
        saga(RunState.DONE, id=uuid7(), finished_at=timezone.now()),
    ]
    assert saga_retention.prune() == 2
    assert set(SagaRun.objects.values_list("id", flat=True)) == {run.id for run in kept}
    assert SagaStep.objects.count() == len(kept)
    assert saga_retention.prune() == 0


def test_answers_are_kept_for_a_day() -> None:
    for hours in (30, 25, 23, 0):
        IdempotentRequest.objects.create(
            caller=uuid4(), key="k", fingerprint=b"", status=201, headers={}, body=b"",
            created_at=timezone.now() - timedelta(hours=hours),
        )  # fmt: skip
    prune_idempotent_requests()
    assert IdempotentRequest.objects.count() == 2
