"""PostgreSQL is restarted under a step or a handler: nothing is left to the sweep, and a header returns in any case."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from events.db import reconnect
from events.declare.subscribers import Subscriber
from events.delivery import handle
from events.delivery.relay import Relay
from events.models import Delivery
from sagas import Call
from sagas.engine import steps
from sagas.engine.steps import Outcome
from sagas.models import SagaRun, SagaStep
from tests.integration import errands, listeners
from tests.integration.mail import Mail
from tests.integration.test_relay import handled_by, ring, states
from tests.integration.test_sagas import run_all, run_state, wanted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    errands.forget()


class Cut:
    """Ends the connection from the server's side, as a restart does, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> None:
        if self.left > 0:
            self.left -= 1
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def steps_of(subject: UUID) -> dict[str, tuple[str, int]]:
    found = SagaStep.objects.filter(run__subject=subject)
    return {name: (state, attempts) for name, state, attempts in found.values_list("name", "state", "attempts")}


@pytest.fixture
def cut_database_steps(monkeypatch: pytest.MonkeyPatch) -> Cut:
    cut, usual = Cut(2), errands._do

    def do(name: str, calls: Sequence[Call]) -> object:
        cut()
        return usual(name, calls)

    monkeypatch.setattr(errands, "_do", do)
    return cut


def test_a_database_step_waits_for_postgresql_and_spends_no_attempt(mail: Mail, cut_database_steps: Cut):
    (id_,) = wanted()
    run_all(mail)
    assert cut_database_steps.left == 0
    assert run_state(id_) == "done"
    assert steps_of(id_) == {"fetch": ("done", 0), "ask": ("done", 1), "report": ("done", 0)}
    assert errands.did.count(("fetch", id_)) == 1


def test_the_answer_of_a_call_is_written_when_postgresql_is_back(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    cut, usual = Cut(1), steps.conclude

    def conclude(
        step: str, undo: bool, lease: UUID | None, outcomes: Sequence[Outcome], *, locked: bool
    ) -> dict[UUID, str | None]:
        if outcomes and step == "ask":
            cut()
        return usual(step, undo, lease, outcomes, locked=locked)

    monkeypatch.setattr("sagas.engine.steps.conclude", conclude)
    (id_,) = wanted()
    run_all(mail)
    assert cut.left == 0
    assert run_state(id_) == "done"
    assert len(errands.keys[id_]) == 1  # the call was made once
    assert steps_of(id_)["ask"] == ("done", 1)


def test_a_handler_in_a_transaction_waits_for_postgresql(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    cut, usual = Cut(1), listeners._handle

    def handle(subscriber: str, events: Sequence[listeners.Rang]) -> None:
        if subscriber == "together":
            cut()
        usual(subscriber, events)

    monkeypatch.setattr(listeners, "_handle", handle)
    ring("a", "b")
    Relay().pump()
    mail.deliver()
    assert cut.left == 0
    assert handled_by("together") == ["a", "b"]
    assert set(Delivery.objects.values_list("state", "attempts")) == {("done", 0)}


def test_an_effect_outside_is_not_repeated_because_postgresql_was_away(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    """It is cut after the handler's work, before that is written down."""
    cut, usual = Cut(1), handle.hand_over

    def hand_over(subscriber: Subscriber, *rest: Any) -> Any:
        failed = usual(subscriber, *rest)
        if subscriber.name == "tests.outside":
            with suppress(OperationalError):
                cut()
        return failed

    monkeypatch.setattr(handle, "hand_over", hand_over)
    ring("a")
    Relay().pump()
    mail.deliver()
    assert cut.left == 0
    assert handled_by("outside") == ["a"]
    assert states("outside") == {"done": 1}


def test_what_a_handler_outside_lost_the_database_over_is_due_at_once(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    cut, usual = Cut(1), handle.hand_over

    def hand_over(subscriber: Subscriber, *rest: Any) -> Any:
        if subscriber.name == "tests.outside":
            cut()
        return usual(subscriber, *rest)

    monkeypatch.setattr(handle, "hand_over", hand_over)
    ring("a")
    Relay().pump()
    for task, args in mail.messages():
        with suppress(OperationalError):
            mail.app.tasks[task](*args)
    assert Relay().pump() == 1
    mail.deliver()
    assert handled_by("outside") == ["a"]
    delivery = Delivery.objects.get(subscriber="tests.outside")
    assert (delivery.state, delivery.attempts, delivery.leases) == ("done", 0, 1)


def test_a_header_returns_even_if_postgresql_stays_away(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, cut_database_steps: Cut
):
    """The body of its chord would never run."""
    monkeypatch.setattr(reconnect, "WITHIN", 0.0)
    cut_database_steps.left = 9
    (id_,) = wanted()
    messages = dict(mail.messages())
    assert mail.app.tasks["tests.fetch"](*messages["tests.fetch"]) == 0
    assert mail.app.tasks["tests.ask"](*messages["tests.ask"]) == 1
    cut_database_steps.left = 9
    alone = [*messages["tests.fetch"][:4], True]  # not a part of a chord: whoever reads the logs should know
    with pytest.raises(OperationalError):
        mail.app.tasks["tests.fetch"](*alone)
    assert SagaRun.objects.get(subject=id_).state == "running"
