"""What kills its worker, or hangs, is stopped by its attempt count and never holds up its neighbours."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from events.log.append import emit
from events.models import Attempt, Delivery
from sagas.engine.sweep import sweep
from sagas.models import SagaRun
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.hurting import steps  # noqa: F401  the saga listens in this process too
from tests.chaos.hurting.handlers import Stung

HURTING = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurting", "RELAY_LEASE": "2"}


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    names = ("worker-core", "worker-network", "relay")
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *names, variables=HURTING) as shop:
        yield shop


@pytest.fixture(autouse=True)
def _recovered(shop: Shop) -> Iterator[None]:
    yield
    alive(shop)


def alive(shop: Shop) -> int:
    """As a supervisor does: starts the dead again. Returns how many were dead."""
    dead = [process for process in shop.processes.values() if not process.running]
    for process in dead:
        process.kill()
        process.start()  # not awaited: what kills it may come before it is ready
    return len(dead)


def until(shop: Shop, done: Callable[[], bool], within: float = 60.0) -> int:
    """Returns how often a worker died meanwhile."""
    deaths = 0
    deadline = time.monotonic() + within
    while not done():
        deaths += alive(shop)
        assert time.monotonic() < deadline, shop.logs()
        time.sleep(0.05)
    return deaths


def sting(who: str, how: str, neighbours: int = 9) -> list[Stung]:
    """The first one suffers among neighbours that do not."""
    stung = [Stung(victim_id=uuid4(), who=who, how=how)]
    stung += [Stung(victim_id=uuid4(), who="", how="") for _ in range(neighbours)]
    emit(stung)
    return stung


def states(who: str, stung: list[Stung]) -> tuple[str, set[str]]:
    """The victim's, and its neighbours'."""
    streams = [event.stream for event in stung]
    mine = Delivery.objects.filter(subscriber=f"tests.{who}", event__stream__in=streams)
    found = dict(mine.values_list("event__stream", "state"))
    return found.pop(streams[0]), set(found.values())


def failures(who: str, stung: list[Stung]) -> list[str]:
    found = Attempt.objects.filter(delivery__subscriber=f"tests.{who}", delivery__event__stream=stung[0].stream)
    return list(found.order_by("id").values_list("error_type", flat=True))


def test_a_handler_that_kills_its_worker_ends_dead_after_its_attempts(shop: Shop):
    stung = sting("batch", "dies")
    deaths = until(shop, lambda: states("batch", stung) == ("dead", {"done"}))
    assert deaths == 3  # once with its neighbours, which proves nothing, and then alone as often as it may
    assert failures("batch", stung) == ["vanished", "vanished"]


def test_a_step_that_kills_its_worker_fails_after_its_attempts_and_is_undone(shop: Shop):
    doomed = Stung(victim_id=uuid4(), who="saga", how="dies")
    emit([doomed, *(Stung(victim_id=uuid4(), who="saga", how="is fine") for _ in range(5))])
    until(shop, lambda: SagaRun.objects.count() == 6)

    def ended() -> bool:
        sweep()
        return not SagaRun.objects.filter(state__in=["running", "compensating"]).exists()

    deaths = until(shop, ended)
    assert deaths == 4  # twice with its neighbours, then alone
    run = SagaRun.objects.get(subject=doomed.victim_id)
    assert run.state == "undone"
    assert run.reason_code == "survive_failed"
    assert list(SagaRun.objects.exclude(id=run.id).values_list("state", flat=True)) == ["done"] * 5


def test_a_handler_that_kills_the_relay_ends_dead_after_its_attempts(shop: Shop):
    stung = sting("inline", "dies")
    deaths = until(shop, lambda: states("inline", stung) == ("dead", {"done"}))
    assert deaths == 4  # unseen, with its neighbours, and then alone as often as it may
    assert failures("inline", stung) == ["vanished", "vanished"]


@pytest.mark.parametrize(
    ("who", "how"),
    [
        ("batch", "sleeps"),
        ("batch", "queries"),
        ("batch", "spins"),
        ("batch", "swallows"),
        ("threaded", "queries"),
        ("threaded", "spins"),
    ],
)
def test_a_handler_that_hangs_is_cut_off_and_tried_again(shop: Shop, who: str, how: str):
    stung = sting(who, how)
    began = time.monotonic()
    until(shop, lambda: states(who, stung)[1] == {"done"}, within=40)
    assert until(shop, lambda: states(who, stung) == ("dead", {"done"})) == 0
    assert time.monotonic() - began < 90
    assert failures(who, stung) == ["events.errors.TimeLimitExceeded"] * 2


def test_sigterm_hands_back_within_seconds_what_a_worker_holds(shop: Shop):
    server = redis.Redis.from_url(settings.REDIS_URL)
    server.delete("unacked", "unacked_index")  # what workers held that other tests killed
    stung = sting("single", "works long", neighbours=0)
    until(shop, lambda: Delivery.objects.filter(subscriber="tests.single", leases=1).exists())
    time.sleep(1)
    worker = shop.processes["worker-core"]
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(15)
    assert time.monotonic() - began < 12
    assert not server.hlen("unacked")  # requeued, not left to a timeout
    until(shop, lambda: states("single", stung)[0] == "done", within=60)
    assert failures("single", stung) == []
