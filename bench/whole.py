"""Starts the stack as `make run` does, with its own servers, and measures each of its processes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from orderproject.stack.ports import free_port

PORTS = ("PORT", "FLOWER_PORT", "SANDBOX_PORT")
MARKS = {
    "front": "nginx: ",
    "web": "orderproject.wsgi",
    "live": "orderproject.live",
    "worker-core": "core@",
    "worker-calls": "calls@",
    "worker-network": "network@",
    "relay": " relay",
    "beat": " beat",
    "flower": " flower",
    "sandbox": "payments.sandbox",
    "valkey": "valkey-server",
    "postgres": "postgres",
    "supervisor": "orderproject.stack",
}
"""Texts in the command lines that identify the processes."""
START_WITHIN = 180.0


@dataclass(frozen=True)
class Whole:
    """A running stack. `environment` has the variables of its processes."""

    supervisor: psutil.Process
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return self.environment["PUBLIC_URL"]

    def processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """All processes with their names. PostgreSQL's backends have the name of their server."""
        for process in [self.supervisor, *self.supervisor.children(recursive=True)]:
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            yield next((name for name, mark in MARKS.items() if mark in line), "other"), process

    def cpu(self) -> dict[str, float]:
        """CPU seconds by name so far, including children that have ended."""
        used: dict[str, float] = defaultdict(float)
        for name, process in self.processes():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            used[name] += times.user + times.system + times.children_user + times.children_system
        return dict(used)

    def memory(self) -> dict[str, Memory]:
        """Memory by name, over all processes of that name."""
        found: dict[str, Memory] = {}
        for name, process in self.processes():
            try:
                full = process.memory_full_info()
            except psutil.Error:
                continue
            before = found.get(name, Memory(0, 0))
            found[name] = Memory(before.rss + full.rss / 2**20, before.pss + full.pss / 2**20)
        return found


@dataclass(frozen=True)
class Memory:
    """Memory in MiB. RSS counts shared pages for each process; PSS divides them among the processes."""

    rss: float
    pss: float


@contextmanager
def whole_stack(folder: Path, **variables: str) -> Iterator[Whole]:
    """Starts a stack on free ports with its data in `folder`; stops it at the end. Raises RuntimeError if it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    ours = {"DATABASE_URL", "BROKER_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT", "DJANGO_SETTINGS_MODULE"}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    ports = {name: str(free_port()) for name in PORTS}
    environment = {**inherited, **ports, "DEMO": "0", "STACK_DATA_DIR": str(folder / "data"), **variables}
    log = folder / "stack.log"
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "orderproject.stack"], env=environment, stdout=output, stderr=output
        )
    try:
        _wait_until_serving(log, started)
        yield Whole(psutil.Process(started.pid), _variables(folder / "data" / "environment"))
    finally:
        started.send_signal(signal.SIGINT)
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()


def _wait_until_serving(log: Path, started: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN
    while "Serving until" not in log.read_text():
        if started.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the stack did not start; its output:\n{log.read_text()}")
        time.sleep(0.1)


def _variables(file: Path) -> dict[str, str]:
    lines = [shlex.split(line)[1] for line in file.read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines)
