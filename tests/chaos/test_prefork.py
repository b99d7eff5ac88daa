"""A pool of processes: what kills a child is stopped by its attempt count, and the worker itself lives on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from events.log.append import emit
from orderproject.stack.process_specs import spec
from orderproject.stack.processes import Process
from sagas.engine.sweep import sweep
from sagas.models import SagaRun
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.hurting import steps  # noqa: F401  the saga listens in this process too
from tests.chaos.hurting.handlers import Stung
from tests.chaos.test_poison import HURTING, failures, states, sting


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with (
        django_db_blocker.unblock(),
        open_shop(tmp_path_factory.mktemp("shop"), "relay", variables=HURTING) as shop,
    ):
        usual = spec(shop.deployment, "worker-core")
        argv = tuple("prefork" if word == "solo" else word for word in usual.argv)
        worker = replace(usual, argv=(*argv, "-c", "2"), env={**(usual.env or {}), **HURTING})
        shop.processes["worker-core"] = Process(worker, shop.folder / "logs" / "worker-core.log")
        shop.processes["worker-core"].start()
        shop.processes["worker-core"].wait_ready()
        yield shop


@pytest.fixture(autouse=True)
def _the_worker_lives_on(shop: Shop) -> Iterator[None]:
    worker = shop.processes["worker-core"]
    pid = worker.pid
    yield
    assert worker.running
    assert worker.pid == pid


def test_a_handler_that_kills_its_child_ends_dead_after_its_attempts(shop: Shop):
    stung = sting("batch", "dies")
    shop.wait_until(lambda: states("batch", stung) == ("dead", {"done"}), 60)
    assert failures("batch", stung) == ["vanished", "vanished"]


def test_a_step_that_kills_its_child_fails_after_its_attempts_and_is_undone(shop: Shop):
    doomed = Stung(victim_id=uuid4(), who="saga", how="dies")
    emit([doomed, *(Stung(victim_id=uuid4(), who="saga", how="is fine") for _ in range(5))])

    def ended() -> bool:
        sweep()
        return SagaRun.objects.filter(state__in=["done", "undone"]).count() == 6

    shop.wait_until(ended, 60)
    assert SagaRun.objects.get(state="undone").subject == doomed.victim_id
    assert SagaRun.objects.get(state="undone").reason_code == "survive_failed"
