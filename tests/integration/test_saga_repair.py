"""Sagas, by hand: what is stuck is retried or skipped, what runs is turned back, and the sweep takes it from there."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from desk.models import Audit
from events import Refused
from orderproject.models import User
from sagas.engine.cohorts import decide_next
from sagas.engine.sweep import sweep
from sagas.models import SagaRun, SagaStep
from sagas.operations import repair
from sagas.operations.repair import NotRepairable
from sagas.plan import RunState, StepState
from tests import stories
from tests.integration import errands
from tests.integration.mail import Mail
from tests.integration.test_sagas import all_late, run_all, run_state, states, wanted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    errands.forget()


def run_of(subject: UUID) -> SagaRun:
    return SagaRun.objects.get(subject=subject)


def stuck_undo(mail: Mail) -> UUID:
    """Asking was refused, and the shelf to put things back on is gone."""
    (id_,) = wanted()
    errands.errors["ask", id_] = Refused("busy")
    errands.errors["put_back", id_] = RuntimeError("shelf is gone")
    _fail(mail)
    assert run_state(id_) == "stuck"
    return id_


def stuck_pivot(mail: Mail) -> UUID:
    (id_,) = wanted()
    errands.errors["report", id_] = RuntimeError("no paper")
    _fail(mail)
    assert run_state(id_) == "stuck"
    return id_


def _fail(mail: Mail) -> None:
    run_all(mail)
    all_late()
    sweep()
    run_all(mail)


def swept(mail: Mail) -> None:
    """No row is made late by hand: the repair has done that."""
    assert sweep() == 1
    run_all(mail)


# --- retry -----------------------------------------------------------------------------------------------


def test_a_retried_pivot_goes_on_forward(mail: Mail) -> None:
    id_ = stuck_pivot(mail)
    errands.errors.clear()
    repair.retry(run_of(id_).id, actor="ada", reason="paper is in")
    assert run_state(id_) == "running"
    swept(mail)
    assert run_state(id_) == "done"
    assert states(id_) == {"fetch": "done", "ask": "done", "report": "done"}
    assert errands.did.count(("fetch", id_)) == 1
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_kind, line.target_ids) == (
        "ada",
        "retry",
        "saga",
        [str(run_of(id_).id)],
    )
    assert line.details["steps"] == ["report"]


def test_a_retried_undo_goes_on_backward(mail: Mail) -> None:
    id_ = stuck_undo(mail)
    errands.errors.clear()
    repair.retry(run_of(id_).id, actor="ada")
    assert run_state(id_) == "compensating"
    swept(mail)
    assert run_state(id_) == "undone"
    assert ("put_back", id_) in errands.did
    assert not run_of(id_).aborted


def test_a_retry_has_all_its_attempts_and_may_get_stuck_again(mail: Mail) -> None:
    id_ = stuck_pivot(mail)
    repair.retry(run_of(id_).id, actor="ada")
    swept(mail)
    step = SagaStep.objects.get(run__subject=id_, name="report")
    assert (step.state, step.attempts) == ("waiting", 1)
    all_late()
    swept(mail)
    assert run_state(id_) == "stuck"


def test_a_refused_pivot_is_retried_too(mail: Mail) -> None:
    (id_,) = wanted()
    errands.errors["report", id_] = Refused("closed")
    run_all(mail)
    assert run_state(id_) == "stuck"
    errands.errors.clear()
    repair.retry(run_of(id_).id, actor="ada")
    swept(mail)
    assert run_state(id_) == "done"


# --- skip ------------------------------------------------------------------------------------------------


def test_a_skipped_pivot_counts_as_done(mail: Mail) -> None:
    id_ = stuck_pivot(mail)
    repair.skip(run_of(id_).id, "report", actor="ada", reason="told them in person")
    swept(mail)
    assert run_state(id_) == "done"
    assert states(id_)["report"] == "skipped"
    line = Audit.objects.get()
    assert (line.action, line.reason, line.details["steps"]) == ("skip", "told them in person", ["report"])


def test_a_skipped_undo_counts_as_undone(mail: Mail) -> None:
    id_ = stuck_undo(mail)
    repair.skip(run_of(id_).id, "fetch", actor="ada", reason="put it back myself")
    swept(mail)
    assert run_state(id_) == "undone"
    assert states(id_) == {"fetch": "skipped", "ask": "refused"}


def test_a_skip_of_the_only_undone_step_does_not_turn_the_saga_forward(mail: Mail) -> None:
    (id_,) = wanted()
    errands.errors["fetch", id_] = RuntimeError("lost")
    errands.errors["put_back", id_] = RuntimeError("shelf is gone")
    errands.errors["apologize", id_] = RuntimeError("no voice")
    for _ in range(3):
        _fail(mail)
    assert states(id_) == {"fetch": "stuck", "ask": "stuck"}
    repair.skip(run_of(id_).id, "fetch", actor="ada", reason="by hand")
    swept(mail)
    assert run_state(id_) == "stuck"
    repair.skip(run_of(id_).id, "ask", actor="ada", reason="by hand")
    swept(mail)
    assert run_state(id_) == "undone"
    assert "report" not in states(id_)


def test_only_what_is_stuck_is_skipped(mail: Mail) -> None:
    id_ = stuck_undo(mail)
    for step in ("ask", "report", "nonsense"):
        with pytest.raises(NotRepairable, match="You can skip fetch"):
            repair.skip(run_of(id_).id, step, actor="ada", reason="x")
    assert not Audit.objects.exists()


# --- compensate ------------------------------------------------------------------------------------------


def test_a_running_saga_is_turned_back(mail: Mail) -> None:
    (id_,) = wanted()
    for task, args in mail.messages():
        if task == "tests.fetch":
            mail.app.tasks[task](*args)
    repair.compensate(run_of(id_).id, actor="ada", reason="the customer is a robot")
    swept(mail)
    assert run_state(id_) == "undone"
    assert (run_of(id_).reason_code, run_of(id_).reason) == ("turned_back_by_staff", "")
    assert Audit.objects.get().reason == "the customer is a robot"


def test_behind_a_pivot_it_is_too_late_and_says_why(mail: Mail) -> None:
    id_ = stuck_pivot(mail)
    with pytest.raises(NotRepairable, match="pivot report has begun.*can only go forward"):
        repair.compensate(run_of(id_).id, actor="ada", reason="x")
    assert run_state(id_) == "stuck"
    assert not Audit.objects.exists()


def test_what_turns_back_already_or_has_ended_is_not_turned_back(mail: Mail) -> None:
    with pytest.raises(NotRepairable, match="already compensating"):
        repair.compensate(run_of(stuck_undo(mail)).id, actor="ada", reason="x")
    (id_,) = wanted()
    run_all(mail)
    with pytest.raises(NotRepairable, match=r"has ended \(done\)"):
        repair.compensate(run_of(id_).id, actor="ada", reason="x")


@pytest.mark.parametrize(
    "deed",
    [
        lambda run: repair.retry(run, actor="ada"),
        lambda run: repair.skip(run, "fetch", actor="ada", reason="x"),
    ],
)
def test_what_is_not_stuck_is_not_repaired(mail: Mail, deed: Callable[[UUID], None]) -> None:
    (id_,) = wanted()
    with pytest.raises(NotRepairable, match="is running"):
        deed(run_of(id_).id)
    with pytest.raises(SagaRun.DoesNotExist):
        deed(uuid4())


def test_a_repair_asked_for_twice_is_done_once(mail: Mail) -> None:
    id_ = stuck_pivot(mail)
    repair.retry(run_of(id_).id, actor="ada")
    with pytest.raises(NotRepairable):
        repair.retry(run_of(id_).id, actor="bob")
    assert Audit.objects.count() == 1


# --- the command line ------------------------------------------------------------------------------------


def command(*args: str) -> str:
    out = StringIO()
    call_command("sagas", *args, stdout=out)
    return out.getvalue()


def test_the_command_lists_shows_and_repairs(mail: Mail) -> None:
    id_ = stuck_pivot(mail)
    run = str(run_of(id_).id)
    assert run in command("list")
    assert run not in command("list", "--state", "done")
    assert run in command("list", "--order", str(id_))
    assert "report (pivot)" in command("show", run)
    with pytest.raises(CommandError, match="can only go forward"):
        command("compensate", run, "--yes")
    command("skip", run, "report", "--reason", "by hand", "--yes")
    assert Audit.objects.get().actor.startswith("shell:")
    decide_next([run_of(id_).id])
    assert run_state(id_) == "done"
    with pytest.raises(CommandError, match="only steps of a stuck saga"):
        command("retry", run, "--yes")
    with pytest.raises(CommandError, match="no saga"):
        command("show", str(uuid4()))


# --- the admin -------------------------------------------------------------------------------------------


def member_of(group: str) -> Client:
    user = User.objects.create_user(group, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def _groups() -> None:
    """A transactional test before this one may have emptied the tables."""
    from orderproject.accounts.groups import create_groups

    create_groups()


def page(name: str, run: SagaRun) -> str:
    return reverse(f"admin:sagas_sagarun_{name}", args=[run.id])


@pytest.mark.usefixtures("_groups")
def test_operators_repair_in_the_admin() -> None:
    order = stories.stuck()
    run = SagaRun.objects.get(subject=order.id)
    operator = member_of("operators")
    story = operator.get(reverse("admin:orders_order_change", args=[order.id])).content.decode()
    assert f"{page('retry_one', run)}?subject" in story
    assert page("compensate_one", run) not in story
    shown = operator.get(page("change", run)).content.decode()
    assert page("skip_one", run) in shown
    assert "authorize_payment" in operator.get(page("skip_one", run)).content.decode()
    assert "This field is required" in operator.post(page("skip_one", run), {"confirmed": "yes"}).content.decode()
    posted = {"confirmed": "yes", "step": "authorize_payment", "reason": "voided at the bank"}
    answer = operator.post(f"{page('skip_one', run)}?subject", posted)
    assert answer["Location"] == reverse("admin:orders_order_change", args=[order.id])
    assert run.steps.get(name="authorize_payment").state == StepState.SKIPPED
    line = Audit.objects.get()
    assert (line.who, line.reason) == ("operators", "voided at the bank")
    assert operator.get(reverse("admin:sagas_sagarun_history", args=[run.id]), follow=True).status_code == 200


@pytest.mark.usefixtures("_groups")
def test_a_running_saga_is_turned_back_from_the_order_page() -> None:
    order = stories.placed()
    run = stories.saga_run(order.id, RunState.RUNNING, {"hold_stock": StepState.WAITING})
    operator = member_of("operators")
    story = operator.get(reverse("admin:orders_order_change", args=[order.id])).content.decode()
    assert f"{page('compensate_one', run)}?subject" in story
    operator.post(page("compensate_one", run), {"confirmed": "yes", "reason": "asked by phone"})
    run.refresh_from_db()
    assert run.aborted


@pytest.mark.usefixtures("_groups")
def test_what_cannot_be_repaired_is_a_message() -> None:
    order = stories.stuck()
    run = SagaRun.objects.get(subject=order.id)
    posted = {"confirmed": "yes", "reason": "x"}
    html = member_of("operators").post(page("compensate_one", run), posted, follow=True).content.decode()
    assert "already compensating" in html


@pytest.mark.usefixtures("_groups")
def test_auditors_may_not_repair() -> None:
    run = SagaRun.objects.get(subject=stories.stuck().id)
    auditor = member_of("auditors")
    assert page("retry_one", run) not in auditor.get(page("change", run)).content.decode()
    for name in ("retry_one", "skip_one", "compensate_one"):
        assert auditor.post(page(name, run), {"confirmed": "yes", "reason": "x"}).status_code == 403
    run.refresh_from_db()
    assert run.state == RunState.STUCK
