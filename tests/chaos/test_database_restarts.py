"""PostgreSQL restarts in the middle of a task: that is nobody's fault, costs no attempt, and is tried again."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection

from events.log.append import emit
from events.models import Attempt, Delivery
from tests.chaos.conftest import Opening
from tests.chaos.doors import Door
from tests.chaos.hurting.toiling import DIARY, Toiled, noted, times_done

SECONDS = 3.0


def end_every_session(door: Door) -> None:
    """What a restart says to those who are at work: "terminating connection due to administrator command"."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def cut_every_line(door: Door) -> None:
    """What a server that vanished says: nothing."""
    door.shut()
    door.open()


@pytest.mark.parametrize("restart", [end_every_session, cut_every_line])
def test_a_task_that_loses_its_database_is_done_later_by_the_same_worker_and_once(
    opening: Opening, tmp_path: Path, restart: Callable[[Door], None]
) -> None:
    diary = tmp_path / "diary"
    hurting = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurting", "RELAY_LEASE": "3", DIARY: str(diary)}
    with (
        Door.to_postgres() as door,
        opening("relay", "worker-network", database_port=door.port, variables=hurting) as shop,
    ):
        workers = [process.pid for process in shop.processes.values()]
        toil = Toiled(toil_id=uuid4(), seconds=SECONDS)
        emit([toil])
        shop.wait_until(lambda: noted(diary, "begun") == 1, 20)
        restart(door)
        shop.wait_until(lambda: not shop.busy(), 30)
        assert (noted(diary, "begun"), times_done(toil.toil_id)) == (2, 1)
        assert Delivery.objects.get(subscriber="tests.toil").state == "done"
        assert not Attempt.objects.exists()
        assert [process.pid for process in shop.processes.values() if process.running] == workers
