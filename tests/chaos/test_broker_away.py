"""The broker goes away, or the connection to it, while a worker holds a message that it has not acknowledged."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from events.log.append import emit
from events.models import Attempt, Delivery
from orderproject.celery import app
from orderproject.stack.ports import free_port
from orderproject.stack.servers.valkey import EmbeddedValkey
from tests.chaos.conftest import Opening
from tests.chaos.hurting.toiling import DIARY, Toiled, noted, times_done
from tests.chaos.test_liveness import supervised, tick_until

pytestmark = pytest.mark.skipif(
    not app.conf.broker_url.startswith("redis"), reason="how kombu's Redis transport behaves"
)
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurting"}


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey of our own, to be killed."""
    server = EmbeddedValkey(tmp_path / "valkey", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


def outcome(toil: Toiled) -> tuple[list[tuple[str, int]], int, int]:
    """Of its delivery state and attempts, how many failures are on record, and how often it was done."""
    deliveries = Delivery.objects.filter(event__stream=toil.stream, subscriber="tests.toil")
    return list(deliveries.values_list("state", "attempts")), Attempt.objects.count(), times_done(toil.toil_id)


ONCE = ([("done", 0)], 0, 1)


def test_a_worker_that_ends_with_its_broker_is_started_again_and_its_work_is_done_once(
    opening: Opening, valkey: EmbeddedValkey, diary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hurting = {**SETTINGS, DIARY: str(diary), "RELAY_LEASE": "3"}
    with opening("relay", valkey_url=valkey.url, variables=hurting) as shop:
        supervisor, worker = supervised(shop, "worker-network", silence=30, **hurting)
        try:
            toil = Toiled(toil_id=uuid4(), seconds=4)
            emit([toil])
            tick_until(supervisor, lambda: noted(diary, "begun") == 1, 20)
            before = worker.pid
            valkey.kill()
            tick_until(supervisor, lambda: not worker.running, 30)
            valkey.start()
            tick_until(supervisor, lambda: worker.running and worker.pid != before, 30)
            assert "worker-network ended with code 1. Restarting it" in capfd.readouterr().out
            tick_until(supervisor, lambda: outcome(toil) == ONCE, 60)
        finally:
            supervisor.stop()


def test_a_message_that_comes_again_because_the_connection_dropped_acts_once(
    opening: Opening, valkey: EmbeddedValkey, diary: Path
) -> None:
    hurting = {**SETTINGS, DIARY: str(diary)}
    with opening("relay", "worker-network", valkey_url=valkey.url, variables=hurting) as shop:
        toil = Toiled(toil_id=uuid4(), seconds=5)
        emit([toil])
        shop.wait_until(lambda: noted(diary, "begun") == 1, 20)
        redis.Redis.from_url(valkey.url).execute_command("CLIENT", "KILL", "TYPE", "normal")
        shop.wait_until(lambda: noted(diary, "message") == 2, 20)
        assert times_done(toil.toil_id) == 0, "the first is still at it"
        shop.wait_until(lambda: not shop.busy(), 30)
        assert Delivery.objects.get(subscriber="tests.toil").leases == 1, "the relay sent it once"
        assert outcome(toil) == ONCE
        assert noted(diary, "begun") == 1
