"""A process that runs and does nothing is noticed, and started anew."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery.worker.state import active_requests

from events.liveness import heartbeat
from events.worker.watchdog import LOOP_LIMIT, NEGLECT, Watchdog
from orderproject.stack.process_specs import spec
from orderproject.stack.processes import PROJECT, Process
from orderproject.stack.restarting import Child
from orderproject.stack.supervisor import Supervisor
from tests.acceptance.shop import Shop
from tests.chaos.conftest import Opening


def supervised(shop: Shop, name: str, silence: float, **variables: str) -> tuple[Supervisor, Process]:
    described = spec(shop.deployment, name)
    described = replace(described, silence=silence, env={**(described.env or {}), **variables})
    process = Process(described, shop.folder / "logs" / f"{name}.log")
    supervisor = Supervisor()
    supervisor.add([Child(process)])
    supervisor.never_give_up()
    supervisor.start()
    supervisor.await_ready(60)
    return supervisor, process


def tick_until(supervisor: Supervisor, done: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while not done():
        assert time.monotonic() < deadline
        supervisor.tick()


def seen(supervisor: Supervisor) -> bool:
    """It has given a sign of life, or answered, since it was started."""
    (child,) = supervisor.children
    return child._liveness._seen > 0


@pytest.mark.parametrize(
    "name", ["relay", "beat", "worker-core", "worker-calls", "worker-network", "front", "web", "sandbox", "flower"]
)
def test_a_frozen_process_is_killed_and_started_again(
    opening: Opening, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with opening() as shop:
        supervisor, process = supervised(shop, name, silence=4)
        try:
            tick_until(supervisor, lambda: seen(supervisor), 30)
            frozen = process.pid
            assert frozen
            os.killpg(frozen, signal.SIGSTOP)
            tick_until(supervisor, lambda: process.running and process.pid != frozen, 20)
            said = capfd.readouterr().out
            assert f"{name} has been stalled for 4 s. Killing it" in said
            tick_until(supervisor, lambda: seen(supervisor), 30)
        finally:
            supervisor.stop()


def test_a_busy_process_is_left_alone(opening: Opening) -> None:
    with opening() as shop:
        supervisor, process = supervised(shop, "relay", silence=4)
        try:
            pid = process.pid
            began = time.monotonic()
            tick_until(supervisor, lambda: time.monotonic() - began > 8, 20)
            assert process.pid == pid
        finally:
            supervisor.stop()


@pytest.mark.parametrize(("age", "code"), [(0, 0), (20, 0), (40, 1), (None, 1)])
def test_the_check_of_a_container(tmp_path: Path, age: float | None, code: int) -> None:
    if age is not None:
        (tmp_path / "orders").touch()
        os.utime(tmp_path / "orders", (time.time() - age, time.time() - age))
    check = [sys.executable, "-m", "events.liveness.heartbeat", "check", "orders", "--older-than", "30"]
    env = {"PATH": os.environ["PATH"], "HEARTBEAT_DIR": str(tmp_path)}
    assert subprocess.run(check, cwd=PROJECT, env=env, check=False).returncode == code


def test_a_full_disk_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEARTBEAT_DIR", str(tmp_path / "file"))
    heartbeat.touch("someone")
    assert heartbeat.file("someone") == tmp_path / "file" / "someone"


class FakeConsumer:
    """What a watchdog looks at."""

    hostname = "core@here"
    connection: Any = object()


class FakeRequest:
    def __init__(self, seconds: float) -> None:
        self.time_start = time.time() - seconds


@pytest.fixture
def watchdog(monkeypatch: pytest.MonkeyPatch) -> Watchdog:
    watchdog = Watchdog(FakeConsumer())
    monkeypatch.setattr(watchdog, "_messages_wait", lambda: False)
    return watchdog


def test_a_worker_whose_loop_turns_is_well(watchdog: Watchdog) -> None:
    assert watchdog.problem() == ""


def test_a_loop_that_stands_still_is_noticed_unless_a_task_holds_it(watchdog: Watchdog) -> None:
    watchdog._turned -= LOOP_LIMIT + 1
    assert watchdog.problem() == "the consumer's loop does not turn"
    busy = FakeRequest(100)
    active_requests.add(busy)
    assert watchdog.problem() == ""
    active_requests.discard(busy)


def test_a_task_without_end_is_noticed(watchdog: Watchdog) -> None:
    stuck = FakeRequest(1000)
    active_requests.add(stuck)
    assert watchdog.problem() == "a task runs longer than WORKER_TASK_LIMIT"
    active_requests.discard(stuck)


def test_a_worker_that_waits_for_its_broker_is_well(watchdog: Watchdog) -> None:
    watchdog.consumer.connection = None
    watchdog._turned -= LOOP_LIMIT + 1
    assert watchdog.problem() == ""
    watchdog.consumer.connection = object()


def test_a_worker_that_leaves_its_messages_lying_is_noticed(
    watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_messages_wait", lambda: True)
    assert watchdog.problem() == ""
    watchdog._served -= NEGLECT + 1
    assert watchdog.problem() == "messages wait but the worker receives none"
    watchdog.received()
    assert watchdog.problem() == ""
