"""Runs travel as cohorts; rows decide; a straggler or a culprit goes on alone."""

import time
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from events import Refused
from events.delivery.relay import Relay
from events.log.append import emit
from events.testing import drain
from sagas.engine.cohorts import decide_next
from sagas.engine.sweep import sweep
from sagas.models import SagaRun, SagaStep
from sagas.start import abort
from tests.integration import errands
from tests.integration.errands import Errand, ErrandWanted
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    errands.forget()


def wanted(count: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    emit(ErrandWanted(errand_id=id_) for id_ in ids)
    assert Relay().pump() == count
    return ids


def run_all(mail: Mail, *, but: str = "") -> None:
    """Works off the queues; messages of the task `but` get lost."""
    drain(losing={but})


def states(subject: UUID) -> dict[str, str]:
    return dict(SagaStep.objects.filter(run__subject=subject).values_list("name", "state"))


def run_state(subject: UUID) -> str:
    return SagaRun.objects.get(subject=subject).state


def all_late() -> None:
    past = timezone.now() - timedelta(seconds=1)
    SagaStep.objects.filter(due_at__isnull=False).update(due_at=past)
    SagaRun.objects.filter(wake_at__isnull=False).update(wake_at=past)


def test_a_stage_is_one_message_per_step_for_the_whole_cohort(mail: Mail):
    wanted(20)
    messages = mail.messages()
    assert sorted(task for task, _ in messages) == ["tests.ask", "tests.fetch"]
    assert {len(args[3]) for _, args in messages} == {20}


def test_a_cohort_goes_through(mail: Mail):
    ids = wanted(20)
    run_all(mail)
    assert {run_state(id_) for id_ in ids} == {"done"}
    assert Counter(name for name, _ in errands.did) == {"fetch": 20, "asked": 20, "report": 20}


@pytest.mark.parametrize("task", ["tests.fetch", "tests.ask"])
def test_a_step_costs_as_many_statements_for_twenty_as_for_one(mail: Mail, task: str):
    counts = []
    for size in (1, 20):
        wanted(size)
        args = next(args for name, args in mail.messages() if name == task)
        with CaptureQueriesContext(connection) as captured:
            mail.app.tasks[task](*args)
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_messages_delivered_twice_act_once(mail: Mail):
    (id_,) = wanted()
    for task, args in mail.messages() * 3:
        mail.app.tasks[task](*args)
    decide_next(list(SagaRun.objects.values_list("id", flat=True)))
    run_all(mail)
    assert Counter(errands.did).most_common(1)[0][1] == 1
    assert run_state(id_) == "done"


def test_a_refusal_undoes_what_was_done_and_only_that(mail: Mail):
    refused, fine = wanted(2)
    errands.errors["ask", refused] = Refused("busy", "They are busy.")
    run_all(mail)
    assert states(refused) == {"fetch": "undone", "ask": "refused"}
    assert run_state(refused) == "undone"
    assert run_state(fine) == "done"
    run = SagaRun.objects.get(subject=refused)
    assert (run.reason_code, run.reason) == ("busy", "They are busy.")


def test_a_culprit_leaves_the_cohort_is_retried_and_at_last_undone_as_maybe_done(mail: Mail):
    *fine, culprit = wanted(8)
    errands.errors["fetch", culprit] = RuntimeError("boom")
    run_all(mail)
    assert {run_state(id_) for id_ in fine} == {"done"}
    step = SagaStep.objects.get(run__subject=culprit, name="fetch")
    assert (step.state, step.attempts, step.error) == ("waiting", 1, "RuntimeError: boom")
    assert step.due_at is not None
    all_late()
    assert sweep() == 1
    run_all(mail)
    assert states(culprit) == {"fetch": "undone", "ask": "undone"}
    assert ("put_back", culprit) in errands.did
    assert SagaRun.objects.get(subject=culprit).reason_code == "fetch_failed"


def test_a_straggler_leaves_the_cohort_and_goes_on_by_itself(mail: Mail):
    straggler, *fine = wanted(5)
    errands.slow[straggler] = 3.0
    began = time.monotonic()
    run_all(mail)
    assert time.monotonic() - began < 3.0
    assert {run_state(id_) for id_ in fine} == {"done"}
    assert run_state(straggler) == "running"
    for _ in range(100):
        if states(straggler)["ask"] == "done":
            break
        time.sleep(0.05)
    time.sleep(0.2)
    run_all(mail)
    assert run_state(straggler) == "done"
    assert errands.keys[straggler] == [f"{SagaRun.objects.get(subject=straggler).id}:ask"]


def test_a_late_answer_under_a_lost_lease_writes_nothing(mail: Mail):
    (id_,) = wanted()
    errands.slow[id_] = 0.6
    for task, args in mail.messages():
        mail.app.tasks[task](*args)
    SagaStep.objects.filter(name="ask").update(lease=uuid4())  # somebody else took over
    time.sleep(1.0)
    assert ("asked", id_) not in errands.did
    assert states(id_)["ask"] == "waiting"


def test_nothing_to_call_is_done_at_once(mail: Mail):
    (id_,) = wanted()
    errands.errors["nothing to ask", id_] = RuntimeError()
    run_all(mail)
    assert run_state(id_) == "done"
    assert errands.keys[id_] == []


def test_what_the_broker_lost_is_asked_again_by_rows(mail: Mail):
    ids = wanted(10)
    mail.purge()
    assert sweep() == 0  # nothing is late yet
    all_late()
    assert sweep() == 10
    run_all(mail)
    assert {run_state(id_) for id_ in ids} == {"done"}
    assert Counter(errands.did).most_common(1)[0][1] == 1


def test_a_failed_pivot_is_stuck_and_keeps_what_was_done(mail: Mail):
    (id_,) = wanted()
    errands.errors["report", id_] = RuntimeError("no paper")
    run_all(mail)
    all_late()
    sweep()
    run_all(mail)
    assert run_state(id_) == "stuck"
    assert states(id_) == {"fetch": "done", "ask": "done", "report": "failed"}


def test_an_undo_that_fails_for_good_is_stuck(mail: Mail):
    (id_,) = wanted()
    errands.errors["ask", id_] = Refused("busy")
    errands.errors["put_back", id_] = RuntimeError("shelf is gone")
    run_all(mail)
    all_late()
    sweep()
    run_all(mail)
    assert states(id_) == {"fetch": "stuck", "ask": "refused"}
    assert run_state(id_) == "stuck"


def test_an_abort_turns_back_and_is_too_late_behind_the_pivot(mail: Mail):
    early, late = wanted(2)
    run_all(mail, but="tests.report")
    with transaction.atomic():
        assert not abort(Errand.definition, late, code="no", reason="changed my mind")  # the pivot has begun
    all_late()
    sweep()
    run_all(mail)
    assert run_state(late) == "done"
    (early,) = wanted()
    for task, args in mail.messages():
        if task == "tests.fetch":
            mail.app.tasks[task](*args)
    with transaction.atomic():
        assert abort(Errand.definition, early, code="no", reason="changed my mind")
    all_late()
    sweep()
    run_all(mail)
    assert run_state(early) == "undone"
    assert states(early) == {"fetch": "undone", "ask": "undone"}


def test_a_run_whose_step_is_gone_holds_up_nobody(mail: Mail):
    gone, fine, unreadable = wanted(3)
    mail.purge()
    step = SagaStep.objects.filter(run__subject=gone).values("name")[0]
    SagaStep.objects.filter(run__subject=gone, **step).update(name="forgotten")
    SagaStep.objects.filter(run__subject=unreadable).update(state="gone")
    all_late()
    assert sweep() == 3
    run_all(mail)
    assert run_state(fine) == "done"
    assert [run_state(one) for one in (gone, unreadable)] == ["running"] * 2


def test_a_run_whose_code_is_gone_holds_up_nobody(mail: Mail):
    gone, fine = wanted(2)
    SagaRun.objects.filter(subject=gone).update(saga="Forgotten")
    run_all(mail)
    assert run_state(fine) == "done"
    assert run_state(gone) == "running"
