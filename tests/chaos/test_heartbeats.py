"""The heartbeat of a process that makes no progress goes silent, although the process still runs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

from django.db import connection, transaction

from events.log.append import emit
from orderproject.stack.process_specs import spec
from orderproject.stack.processes import PROJECT, Process
from tests.acceptance.shop import Shop
from tests.chaos.conftest import Opening
from tests.chaos.hurting.lingering import Lingered, tries

HURTING = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurting"}
Check = Callable[[str], subprocess.CompletedProcess[str]]


@contextmanager
def process_and_check(shop: Shop, name: str) -> Iterator[tuple[Process, Check]]:
    """A process, and the command that its container's health check runs; four seconds of silence are too long."""
    folder = shop.folder / "signs"
    usual = spec(shop.deployment, name)
    mine = replace(usual, env={**(usual.env or {}), **HURTING, "HEARTBEAT_DIR": str(folder)})
    env = {"PATH": os.environ["PATH"], "HEARTBEAT_DIR": str(folder)}

    def check(heartbeat: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "events.liveness.heartbeat", "check", heartbeat, "--older-than", "4"]
        return subprocess.run(command, cwd=PROJECT, env=env, check=False, capture_output=True, text=True)

    process = Process(mine, shop.folder / "logs" / f"{name}.log")
    process.start()
    try:
        process.wait_ready(60)
        yield process, check
    finally:
        process.stop()


def test_a_relay_that_is_held_up_goes_silent_and_recovers(opening: Opening) -> None:
    with opening() as shop, process_and_check(shop, "relay") as (process, check):
        shop.wait_until(lambda: check("relay").returncode == 0, 30)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE events_delivery IN ACCESS EXCLUSIVE MODE")
            shop.wait_until(lambda: check("relay").returncode == 1, 30)
            assert check("relay").stderr.startswith("relay: silent for ")
        shop.wait_until(lambda: check("relay").returncode == 0, 30)
        assert process.running


def test_a_worker_that_runs_and_finishes_nothing_goes_silent(opening: Opening) -> None:
    with opening("relay", variables=HURTING) as shop, process_and_check(shop, "worker-network") as (process, check):
        shop.wait_until(lambda: check("network").returncode == 0, 30)
        visitor = uuid4()
        emit([Lingered(visitor_id=visitor, who="outside")])
        shop.wait_until(lambda: tries("outside", visitor) == 1, 30)
        assert check("network").returncode == 0  # a running task is no reason yet
        shop.wait_until(lambda: check("network").returncode == 1, 30)
        assert process.running


def test_beat_gives_signs_too(opening: Opening) -> None:
    with opening() as shop, process_and_check(shop, "beat") as (_, check):
        assert check("somebody-else").stderr == "somebody-else: no heartbeat\n"
        shop.wait_until(lambda: check("beat").returncode == 0, 30)
