"""A dead message while PostgreSQL is away, and nobody to keep it."""

import pytest

from events.models import DeadMessage
from orderproject.celery import app
from tests.chaos.conftest import Opening
from tests.chaos.doors import Door
from tests.chaos.strays import SWEEP, push, send

pytestmark = pytest.mark.skipif(not app.conf.broker_url.startswith("redis"), reason="pushes into Valkey's list")


def test_postgresql_away_loses_no_dead_message(opening: Opening) -> None:
    """The address of the worker's database answers to nobody until the test lets it."""
    with Door.to_postgres() as door, opening("worker-core", database_port=door.port) as shop:
        door.shut()
        send(SWEEP, task="nobody.listens")
        push(b"not JSON")
        shop.wait_until(lambda: "waits for PostgreSQL" in shop.processes["worker-core"].output(), 30)
        assert not DeadMessage.objects.exists()
        door.open()
        shop.wait_until(lambda: DeadMessage.objects.count() == 2, 60)
        assert set(DeadMessage.objects.values_list("reason", flat=True)) == {"unknown_task", "no_envelope"}
