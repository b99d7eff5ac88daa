"""SIGTERM: a process ends within seconds, and what it held is done by the next one at once, and once."""

import signal
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from redis import Redis

from events.log.append import emit
from events.models import Attempt, Delivery
from orderproject.celery import app
from orderproject.stack.process_specs import MACHINE
from sagas.models import SagaRun, SagaStep
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.hurting.lingering import Lingered, tries

HURTING = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurting"}
STOPS_WITHIN = 9.0
"""Seconds: five of patience for what is nearly done, and a few to end."""
GOES_ON_WITHIN = 12.0
"""Seconds; a lease is longer."""


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    names = ("worker-core", "worker-calls", "worker-network", "relay", "beat")
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *names, variables=HURTING) as shop:
        yield shop


def stop(shop: Shop, name: str) -> float:
    """Returns how many seconds it took."""
    process = shop.processes[name]
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait(30), process.output()
    return time.monotonic() - began


def tasks_of(worker: str) -> list[object] | None:
    """What it is at; None if it does not answer."""
    node = f"{worker}@{MACHINE}"
    # On a connection of its own: another test may have had the server close those of the pool.
    with app.connection_for_write() as connection:
        running = app.control.inspect([node], connection=connection).active()
    return None if running is None else list(running[node])


def visit(shop: Shop, *hosts: str) -> dict[str, UUID]:
    """Somebody lingers with each of them, for the first time."""
    visitors = {who: uuid4() for who in hosts}
    emit(Lingered(visitor_id=id_, who=who) for who, id_ in visitors.items())
    shop.wait_until(lambda: all(tries(who, id_) == 1 for who, id_ in visitors.items()), 30)
    return visitors


def test_what_a_pool_of_threads_holds_is_handed_back_and_done_by_the_next_one(shop: Shop):
    server = Redis.from_url(settings.REDIS_URL)
    server.delete("unacked", "unacked_index")  # what workers held that other tests killed
    visitors = visit(shop, "outside", "inside", "saga")
    assert stop(shop, "worker-network") < STOPS_WITHIN
    assert stop(shop, "worker-calls") < STOPS_WITHIN
    assert not server.hlen("unacked")  # requeued, not left to a timeout
    shop.processes["worker-network"].start()
    shop.processes["worker-calls"].start()
    shop.wait_until(lambda: not shop.busy(), GOES_ON_WITHIN)
    assert {who: tries(who, id_) for who, id_ in visitors.items()} == {"outside": 2, "inside": 2, "saga": 2}
    assert not Attempt.objects.exists()
    assert set(Delivery.objects.values_list("state", "attempts")) == {("done", 0)}
    step = SagaStep.objects.get(run__subject=visitors["saga"])
    assert (step.state, step.attempts) == ("done", 1)  # the try that was released is not counted


def test_a_call_that_its_task_no_longer_waits_for_is_handed_back_at_once(shop: Shop):
    visitor = visit(shop, "saga")["saga"]
    shop.wait_until(lambda: tasks_of("calls") == [], 10)  # and yet the call goes on
    assert stop(shop, "worker-calls") < 4.8
    shop.processes["worker-calls"].start()
    shop.wait_until(lambda: SagaRun.objects.get(subject=visitor).state == "done", GOES_ON_WITHIN)
    assert tries("saga", visitor) == 2
