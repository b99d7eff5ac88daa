"""A lease lasts as long as its holder lives, however long the work takes, and not much longer."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from events.delivery import leases
from events.delivery.relay import Relay
from events.log.append import emit
from events.models import Delivery
from sagas.engine.sweep import sweep
from sagas.models import SagaStep
from tests.integration import errands, listeners
from tests.integration.errands import ErrandWanted
from tests.integration.listeners import Rang
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)
TERM = 1.0


@pytest.fixture(autouse=True)
def short_terms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With a keeper of its own: that of the process may be asleep for the usual while."""
    monkeypatch.setattr(leases, "TERM", TERM)
    monkeypatch.setattr(leases, "EVERY", 0.1)
    leases._keeper.cache_clear()
    yield
    leases._keeper.cache_clear()


@contextmanager
def a_slow_handler(mail: Mail, name: str) -> Iterator[None]:
    """Within the block, a worker is at this event, outside any transaction."""
    listeners.blocked[name] = threading.Event()
    emit([Rang(bell_id=uuid4(), name=name)])
    Relay().pump()
    (message,) = [args for task, args in mail.messages() if task == "tests.outside"]

    def work() -> None:
        mail.app.tasks["tests.outside"](*message)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        wait_until(lambda: bool(listeners.keys_seen))
        yield
    finally:
        listeners.blocked.pop(name).set()
        worker.join(30)


def wait_until(happens: Callable[[], bool]) -> None:
    for _ in range(300):
        if happens():
            return
        time.sleep(0.05)
    raise AssertionError("it does not happen")


def outside() -> Delivery:
    return Delivery.objects.get(subscriber="tests.outside")


def ends(step: SagaStep) -> datetime:
    assert step.due_at
    return step.due_at


def test_work_that_takes_longer_than_a_term_is_not_given_to_another(mail: Mail):
    with a_slow_handler(mail, "slow"):
        taken = outside()
        wait_until(lambda: outside().due_at > taken.due_at + timedelta(seconds=TERM))
        Relay().pump()
        assert "tests.outside" not in [task for task, _ in mail.messages()]
    assert (outside().state, outside().leases) == ("done", 1)
    assert [who for who, _ in listeners.handled].count("outside") == 1


def test_what_a_lost_holder_had_is_free_after_a_term(mail: Mail):
    with a_slow_handler(mail, "slow"):
        lease = outside().lease
        assert lease
        leases.let_go(lease)  # as if its process had died
        wait_until(lambda: outside().due_at <= timezone.now())
        Relay().pump()
        assert "tests.outside" in [task for task, _ in mail.messages()]


def test_a_call_that_takes_longer_than_a_term_is_not_made_twice(mail: Mail):
    id_ = uuid4()
    errands.slow[id_] = 3 * TERM
    emit([ErrandWanted(errand_id=id_)])
    Relay().pump()
    mail.deliver()
    leased_until = ends(SagaStep.objects.get(name="ask"))
    wait_until(lambda: ends(SagaStep.objects.get(name="ask")) > leased_until + timedelta(seconds=TERM))
    sweep()
    mail.deliver()
    wait_until(lambda: SagaStep.objects.get(name="ask").state == "done")
    assert len(errands.keys[id_]) == 1
