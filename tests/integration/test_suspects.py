"""What was sent and never answered: counted where a worker began it, and only there."""

import signal
import threading
import time
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events.db.time_limit import limited
from events.delivery.relay import Relay
from events.errors import TimeLimitExceeded
from events.log.append import emit
from events.models import Attempt, Delivery
from sagas.engine.sweep import sweep
from sagas.models import SagaRun, SagaStep
from tests.integration import errands, listeners
from tests.integration.errands import ErrandWanted
from tests.integration.mail import Mail
from tests.integration.test_relay import make_due, ring, states
from tests.integration.test_sagas import all_late

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """As when the process ends in the middle: nobody catches it, and no answer is written."""


def take_and_die(mail: Mail) -> None:
    for task, args in mail.messages():
        if task == "tests.together":
            with pytest.raises(Killed):
                mail.app.tasks[task](*args)


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(listeners, "_handle", die)
    return monkeypatch


def test_a_broker_that_forgets_spends_no_attempt(mail: Mail):
    ring("a", "b")
    for _ in range(10):
        assert Relay().pump() == 6
        mail.purge()
        make_due()
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}
    Relay().pump()
    mail.deliver()
    assert states("together") == {"done": 2}
    assert not Attempt.objects.exists()


def test_what_a_worker_began_alone_and_left_unanswered_is_counted(mail: Mail, deadly: pytest.MonkeyPatch):
    ring("a")
    for vanished in (0, 0, 1, 2):  # with others, alone for the first time, and then counted
        Relay().pump()
        take_and_die(mail)
        assert Delivery.objects.get(subscriber="tests.together").attempts == vanished
        make_due()
    deadly.undo()
    Relay().pump()
    mail.deliver()
    delivery = Delivery.objects.get(subscriber="tests.together")
    assert (delivery.state, delivery.attempts) == ("dead", 3)
    assert set(delivery.failures.values_list("error_type", flat=True)) == {"vanished"}


def test_an_answer_ends_the_suspicion(mail: Mail, deadly: pytest.MonkeyPatch):
    ring("a")
    for _ in range(2):
        Relay().pump()
        take_and_die(mail)
        make_due()
    deadly.undo()
    Relay().pump()
    mail.deliver()
    assert states("together") == {"done": 1}


def test_a_suspect_costs_one_statement_more_and_a_normal_batch_none(mail: Mail):
    def statements() -> list[str]:
        Relay().pump()
        (args,) = [args for task, args in mail.messages() if task == "tests.together"]
        with CaptureQueriesContext(connection) as queries:
            mail.app.tasks["tests.together"](*args)
        return [query["sql"].strip() for query in queries]

    ring("a")
    normal = statements()
    ring("b")
    Relay().pump()
    mail.purge()
    make_due()
    suspect = statements()
    assert len(suspect) == len(normal) + 1
    assert suspect[0].startswith("WITH suspect")


def test_messages_of_a_saga_that_got_lost_travel_together_the_first_time_and_then_alone(mail: Mail):
    emit(ErrandWanted(errand_id=uuid4()) for _ in range(5))
    Relay().pump()
    sizes = []
    for _ in range(2):
        mail.purge()
        all_late()
        sweep()
        messages = mail.messages()
        sizes.append(sorted(len(args[3]) for task, args in messages if task == "tests.fetch"))
    assert sizes == [[5], [1] * 5]
    for task, args in messages:
        mail.app.tasks[task](*args)
    assert set(SagaStep.objects.filter(name="fetch").values_list("state", flat=True)) == {"done"}


def test_a_step_that_vanishes_fails_after_its_attempts(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(errands, "_do", die)
    emit([ErrandWanted(errand_id=uuid4())])
    Relay().pump()
    for _ in range(4):  # twice among others, and then alone for as often as the step may
        for task, args in mail.messages():
            if task == "tests.fetch":
                with pytest.raises(Killed):
                    mail.app.tasks[task](*args)
        all_late()
        sweep()
    monkeypatch.undo()
    mail.deliver()
    assert SagaRun.objects.get().reason_code == "fetch_failed"
    assert ("fetch", SagaRun.objects.get().subject) not in errands.did


def test_a_limit_in_a_thread_ends_with_its_block():
    """Nothing that was meant for the block hits what comes after it."""
    seen: list[str] = []

    def work() -> None:
        for _ in range(20):
            try:
                with limited(0.01):
                    end = time.monotonic() + 0.6
                    while time.monotonic() < end:
                        pass
                seen.append("in time")
            except TimeLimitExceeded:
                seen.append("cut off")
            for _ in range(1000):
                pass
            if len(seen) == 3:
                return

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert len(seen) == 3
    assert "cut off" in seen


def test_a_limit_that_is_kept_leaves_the_alarm_of_others_alone():
    before = signal.getitimer(signal.ITIMER_REAL)
    with limited(5):
        pass
    after = signal.getitimer(signal.ITIMER_REAL)
    assert (before[0] == 0) == (after[0] == 0)
