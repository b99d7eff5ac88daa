"""What follows at once: in the transaction of the step before it, without a message, and by attempts of its own."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from events import Refused
from events.declare import queues
from events.delivery.relay import Relay
from events.log.append import emit
from events.testing import drain
from sagas.engine import following
from sagas.engine.sweep import sweep
from sagas.models import SagaRun, SagaStep
from tests.integration import api, parcels
from tests.integration.mail import Mail
from tests.integration.parcels import ConsignmentWanted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_worker_for_all() -> Iterator[None]:
    parcels.forget()
    queues.serve(["payments", "inventory", "orders"])
    yield
    queues.serve([])


def wanted(count: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    emit(ConsignmentWanted(parcel_id=id_) for id_ in ids)
    assert Relay().pump() == count
    return ids


def steps(subject: UUID) -> dict[str, tuple[str, int]]:
    rows = SagaStep.objects.filter(run__subject=subject).values_list("name", "state", "attempts")
    return {name: (state, attempts) for name, state, attempts in rows}


def written_by(subject: UUID, step: str) -> int:
    """The transaction that wrote the step last."""
    statement = "SELECT step.xmin::text::bigint FROM sagas_sagastep step JOIN sagas_sagarun run ON run.id = run_id"
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} WHERE subject = %s AND name = %s", [subject, step])
        return int(cursor.fetchone()[0])


def run_state(subject: UUID) -> str:
    return SagaRun.objects.get(subject=subject).state


def deliver_all(mail: Mail) -> list[str]:
    """Works off the queues; the tasks that there were."""
    return drain()


def test_a_few_go_through_with_the_message_of_the_first_step(mail: Mail):
    ids = wanted(3)
    assert deliver_all(mail) == ["tests.book"]
    assert {run_state(id_) for id_ in ids} == {"done"}
    assert steps(ids[0]) == {"book": ("done", 1), "wrap": ("done", 0), "hand_in": ("done", 0)}
    assert [name for name, _ in parcels.calls_of] == ["booked", "wrap", "hand_in"]
    assert written_by(ids[0], "book") == written_by(ids[0], "wrap") == written_by(ids[0], "hand_in")


def test_a_step_runs_only_where_its_queue_is_served(mail: Mail):
    queues.serve(["payments"])
    ids = wanted(3)
    assert deliver_all(mail) == ["tests.book", "tests.wrap", "tests.hand_in"]
    assert {run_state(id_) for id_ in ids} == {"done"}


def test_a_worker_that_makes_calls_leaves_many_runs_to_another(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "LIGHT_LOAD_RUNS", 2)
    ids = wanted(3)
    assert deliver_all(mail) == ["tests.book", "tests.wrap"]
    assert {run_state(id_) for id_ in ids} == {"done"}


def test_what_raises_fails_by_itself_and_takes_nothing_back(mail: Mail):
    fine, culprit = wanted(2)
    parcels.errors["wrap", culprit] = RuntimeError("no box")
    deliver_all(mail)
    assert sorted(parcels.asked) == sorted([fine, culprit])
    assert [name for name, _ in parcels.calls_of].count(
        "booked"
    ) == 2  # its transaction was given up with what followed
    assert run_state(fine) == "done"
    assert steps(culprit) == {"book": ("done", 1), "wrap": ("waiting", 1)}
    parcels.errors.clear()
    past = timezone.now() - timedelta(seconds=1)
    SagaStep.objects.filter(due_at__isnull=False).update(due_at=past)
    SagaRun.objects.filter(wake_at__isnull=False).update(wake_at=past)
    sweep()
    deliver_all(mail)
    assert run_state(culprit) == "done"


def test_what_raises_further_on_is_begun_as_usual_from_the_first_step_that_followed(mail: Mail):
    fine, culprit = wanted(2)
    parcels.errors["hand_in", culprit] = RuntimeError("closed")
    deliver_all(mail)
    assert sorted(parcels.asked) == sorted([fine, culprit])
    assert [name for name, _ in parcels.calls_of].count(
        "booked"
    ) == 2  # its transaction was given up with what followed
    assert run_state(fine) == "done"
    assert steps(culprit) == {"book": ("done", 1), "wrap": ("done", 0), "hand_in": ("waiting", 1)}


def test_a_refusal_is_one_at_once_too(mail: Mail):
    fine, refused = wanted(2)
    parcels.errors["wrap", refused] = Refused("too_big", "It is too big.")
    deliver_all(mail)
    assert run_state(fine) == "done"
    assert run_state(refused) == "undone"
    assert {name: state for name, (state, _) in steps(refused).items()} == {"book": "undone", "wrap": "refused"}
    run = SagaRun.objects.get(subject=refused)
    assert (run.reason_code, run.reason) == ("too_big", "It is too big.")


def test_what_has_failed_before_does_not_take_the_next_step_along(mail: Mail):
    (id_,) = wanted()
    SagaStep.objects.filter(run__subject=id_, name="book").update(attempts=1)
    deliver_all(mail)
    assert run_state(id_) == "done"
    assert written_by(id_, "book") != written_by(id_, "wrap")


def test_who_cancels_while_a_step_confirms_waits_and_nobody_is_cut_off(mail: Mail):
    """A step has locked the run and will lock the order; the customer's call must not hold them the other way round."""
    client = api.client_of(api.user())
    api.product("MUG-RED", stock=10)
    order = api.place(client, ("MUG-RED", 1)).json()["id"]
    Relay().pump()
    answers: list[int] = []

    def cancel() -> None:
        try:
            answers.append(client.post(f"/api/v1/orders/{order}/cancel/", {"reason": "mind"}).status_code)
        finally:
            connection.close()

    with transaction.atomic():
        assert SagaRun.objects.select_for_update(no_key=True).get(subject=order)
        customer = threading.Thread(target=cancel)
        customer.start()
        time.sleep(0.5)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '500ms'")
            cursor.execute("SELECT id FROM orders_order WHERE id = %s FOR NO KEY UPDATE", [order])
    customer.join(10)
    assert answers == [202]
