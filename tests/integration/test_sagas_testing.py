"""The kit for tests of sagas: a run goes to its end by real messages, and what it says of it is what the rows say."""

from uuid import UUID, uuid4

import pytest
from django.db import transaction

from events import Refused
from events import testing as events_testing
from events.log.append import emit
from events.testing import Broker, NotAtRest
from sagas.models import SagaRun
from sagas.start import abort
from sagas.testing import drain, expect_saga, saga_of
from tests.integration import errands
from tests.integration.errands import Errand, ErrandWanted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    errands.forget()


def wanted() -> UUID:
    id_ = uuid4()
    emit([ErrandWanted(errand_id=id_)])
    return id_


def test_a_saga_goes_through_by_messages_alone():
    id_ = wanted()
    assert {"tests.fetch", "tests.ask", "tests.report"} <= set(events_testing.drain())
    assert sorted(errands.did) == [("asked", id_), ("fetch", id_), ("report", id_)]
    run = expect_saga("Errand", id_, ends="done", steps={"fetch": "done", "ask": "done", "report": "done"})
    assert (run.saga, run.subject, run.part, run.reason_code) == ("Errand", id_, None, "")
    assert run == saga_of(id_) == saga_of(id_, "Errand")


def test_a_refused_saga_is_undone_and_says_why():
    id_ = wanted()
    errands.errors["ask", id_] = Refused("busy", "They are busy.")
    steps = {"fetch": "undone", "ask": "refused", "report": None}
    run = expect_saga("Errand", id_, ends="undone", steps=steps, reason="busy")
    assert run.reason == "They are busy."


def test_what_fails_is_tried_again_only_if_that_is_asked_for():
    id_ = wanted()
    errands.errors["report", id_] = RuntimeError("no paper")
    drain()
    run = saga_of(id_)
    assert (run.state, run.steps["report"].state, run.steps["report"].attempts) == ("running", "waiting", 1)
    assert run.steps["report"].error == "RuntimeError: no paper"
    expect_saga("Errand", id_, ends="stuck", steps={"report": "failed"}, through_retries=True)


def test_a_lost_message_is_made_up_for_by_the_sweep():
    id_ = wanted()
    drain(losing={"tests.fetch"})
    assert saga_of(id_).steps["fetch"].state == "waiting"
    assert errands.did == [("asked", id_)]
    assert "sagas.sweep" in drain(through_retries=True)
    expect_saga("Errand", id_, ends="done")


def test_who_turns_a_saga_back_needs_no_retries():
    id_ = wanted()
    drain(losing={"tests.ask"})
    with transaction.atomic():
        assert abort(Errand.definition, id_, code="no", reason="changed my mind")
    expect_saga("Errand", id_, ends="undone", reason="no", steps={"fetch": "undone", "ask": "undone"})


def test_another_end_than_expected_shows_the_whole_run():
    id_ = wanted()
    errands.errors["ask", id_] = Refused("busy", "They are busy.")
    with pytest.raises(AssertionError) as failed:
        expect_saga("Errand", id_, ends="done", steps={"fetch": "done", "report": "done", "ask": "refused"}, reason="")
    first, *lines = str(failed.value).splitlines()
    assert first == "The saga did not end as expected:"
    assert lines[:4] == [
        "  it is undone, expected done",
        "  fetch is undone, expected done",
        "  report is not begun, expected done",
        "  its reason is 'busy', expected ''",
    ]
    assert lines[4] == f"Errand of {id_} is undone, because of busy: They are busy."
    assert sorted(lines[5:]) == ["  ask: refused, attempts: 1 (They are busy.)", "  fetch: undone"]


def test_a_saga_that_never_began_is_told_with_what_there_is():
    id_ = wanted()
    drain()
    with pytest.raises(AssertionError, match=r"one run of PlaceOrder of .*, found 0.*\n  Errand, part None: done"):
        expect_saga("PlaceOrder", id_, ends="done")
    with pytest.raises(LookupError, match=r"found 0; the runs of this subject: none"):
        saga_of(uuid4())


def test_of_several_runs_the_part_says_which():
    id_, part = wanted(), uuid4()
    drain()
    run = SagaRun.objects.get()
    SagaRun.objects.create(id=uuid4(), saga="Errand", subject=id_, part=part, state="undone", started_at=run.started_at)
    with pytest.raises(LookupError, match="found 2"):
        saga_of(id_)
    assert saga_of(id_, part=part).state == "undone"
    assert str(saga_of(id_, part=part)) == f"Errand of {id_}, part {part} is undone"


def test_a_run_that_cannot_end_is_named():
    id_ = wanted()
    drain(losing={"tests.fetch"})
    SagaRun.objects.update(saga="Forgotten")
    with pytest.raises(NotAtRest, match=f"Not yet ended:\n  Forgotten of {id_} is running"):
        drain(through_retries=True, limit=10)


def test_the_kit_of_events_moves_sagas_but_does_not_sweep(broker: Broker):
    id_ = wanted()
    events_testing.drain(losing={"tests.fetch"})
    assert events_testing.drain(through_retries=True) == []
    assert saga_of(id_).state == "running"
