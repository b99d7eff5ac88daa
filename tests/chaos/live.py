"""The one-command stack, as a user starts it, with ways to hurt its processes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from orderproject.stack.ports import free_port

# What a process of the stack is recognized by.
MARKS = {
    "web": "orderproject.wsgi",
    "worker-core": "core@",
    "worker-network": "network@",
    "relay": "relay",
    "beat": "beat",
    "sandbox": "payments.sandbox",
    "valkey": "valkey-server",
    "postgres": "postgres",
}
IMPATIENT = {"PAYMENT_GATEWAY_TIMEOUT": "1", "RELAY_LEASE": "10", "DEMO": "0"}


@dataclass
class Live:
    """A running stack."""

    folder: Path
    supervisor: psutil.Process
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return self.environment["PUBLIC_URL"]

    @property
    def sandbox_url(self) -> str:
        return self.environment["PAYMENT_GATEWAY_URL"]

    def process(self, name: str) -> psutil.Process:
        """The process that the supervisor started under this name; waits for it while it is being restarted."""
        for _ in range(300):
            for child in self.supervisor.children():
                if _matches(child, MARKS[name]):
                    return child
            time.sleep(0.1)
        raise AssertionError(f"{name} does not run")

    def web_worker(self) -> psutil.Process:
        return self.process("web").children()[0]

    def post(self, path: str, body: str) -> None:
        """To the sandbox's controls."""
        request = urllib.request.Request(self.sandbox_url + path, body.encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def wait_ready(self) -> None:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the stack is not ready after a minute")


def _matches(process: psutil.Process, mark: str) -> bool:
    try:
        return any(mark in part for part in process.cmdline())
    except psutil.Error:
        return False


@contextmanager
def stack(folder: Path, settings: str = "orderproject.settings") -> Iterator[Live]:
    """Starts the stack on free ports and stops it as Ctrl-C does."""
    ports = {name: str(free_port()) for name in ("PORT", "FLOWER_PORT", "SANDBOX_PORT")}
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "BROKER_URL", "REDIS_URL"}
    }
    env = {
        **inherited,
        **ports,
        **IMPATIENT,
        "STACK_DATA_DIR": str(folder / "data"),
        "DJANGO_SETTINGS_MODULE": settings,
    }
    log = (folder / "stack.log").open("wb")
    started = subprocess.Popen([sys.executable, "-m", "orderproject.stack"], env=env, stdout=log, stderr=log)
    try:
        live = Live(folder, psutil.Process(started.pid), _environment(folder / "data" / "environment", started))
        live.wait_ready()
        _wait_for(folder / "stack.log", "Serving", started)
        yield live
    finally:
        started.send_signal(signal.SIGINT)
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
        log.close()


def _wait_for(log: Path, word: str, started: subprocess.Popen[bytes]) -> None:
    for _ in range(900):
        if word in log.read_text():
            return
        if started.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def _environment(file: Path, started: subprocess.Popen[bytes]) -> dict[str, str]:
    for _ in range(900):
        if file.exists():
            lines = [shlex.split(line)[1] for line in file.read_text().splitlines()]
            return dict(line.split("=", 1) for line in lines)
        if started.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError("the stack did not start")
