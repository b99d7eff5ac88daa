"""The one-command stack, as a user starts it, with ways to hurt its processes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psutil

from orderproject.stack.deployment import Deployment
from orderproject.stack.ports import free_port
from orderproject.stack.processes import Process, ProcessSpec
from tests import rabbit
from tests.chaos import beside
from tests.chaos.load import Customers

# What a process of the stack is recognized by.
MARKS = {
    "front": "front/nginx.conf",
    "web": "orderproject.wsgi",
    "worker-core": "core@",
    "worker-calls": "calls@",
    "worker-network": "network@",
    "relay": "relay",
    "beat": "beat",
    "sandbox": "payments.sandbox",
    "valkey": "valkey-server",
    "postgres": "postgres",
}
USUAL, DOUBLING = "orderproject.settings", "tests.chaos.settings_doubling"
PORTS = ("PORT", "FLOWER_PORT", "SANDBOX_PORT")
IMPATIENT = {"PAYMENT_GATEWAY_TIMEOUT": "1", "RELAY_LEASE": "10", "DEMO": "0"}


@dataclass
class Live:
    """A running stack and its customers. `variables` is with what it was started, `environment` what it then wrote."""

    folder: Path
    supervisor: psutil.Process
    variables: dict[str, str]
    environment: dict[str, str]
    node: rabbit.Node | None = None
    takeovers: list[float] = field(default_factory=list)
    """Seconds from the death of one relay until the other one had an order confirmed."""

    @property
    def url(self) -> str:
        return self.environment["PUBLIC_URL"]

    @property
    def sandbox_url(self) -> str:
        return self.environment["PAYMENT_GATEWAY_URL"]

    @cached_property
    def customers(self) -> Customers:
        return Customers(self.url)

    @property
    def doubled(self) -> bool:
        """Every message travels twice."""
        return self.variables["DJANGO_SETTINGS_MODULE"] == DOUBLING

    @property
    def rabbitmq(self) -> rabbit.Node:
        assert self.node, "the broker of this stack is Valkey"
        return self.node

    @contextmanager
    def beside(self, make: Callable[[Deployment], ProcessSpec]) -> Iterator[Process]:
        """One more process for as long as the block, ready."""
        process = beside.process(make(self.deployment), self.folder, {**self.variables, **self.environment})
        try:
            process.start()
            process.wait_ready(60)
            yield process
        finally:
            process.stop()

    @property
    def deployment(self) -> Deployment:
        told = self.environment
        return Deployment(
            data=self.folder / "data",
            database_url=told["DATABASE_URL"],
            broker_url=told["BROKER_URL"],
            redis_url=told["REDIS_URL"],
            secret_key=told["SECRET_KEY"],
            port=int(self.variables["PORT"]),
            sandbox_port=int(self.variables["SANDBOX_PORT"]),
            flower_port=int(self.variables["FLOWER_PORT"]),
        )

    @contextmanager
    def unattended(self) -> Iterator[None]:
        """Nobody restarts what dies meanwhile."""
        self.supervisor.suspend()
        try:
            yield
        finally:
            self.supervisor.resume()

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
def stack(folder: Path, settings: str = USUAL, broker: str = "valkey") -> Iterator[Live]:
    """Starts the stack on free ports and stops it as Ctrl-C does; with a RabbitMQ of its own if asked."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "BROKER_URL", "REDIS_URL"}
    }
    variables = {
        **inherited,
        **{name: str(free_port()) for name in PORTS},
        **IMPATIENT,
        "STACK_DATA_DIR": str(folder / "data"),
        "DJANGO_SETTINGS_MODULE": settings,
    }
    with ExitStack() as servers:
        node = servers.enter_context(rabbit.Node(folder / "rabbitmq")) if broker == "rabbitmq" else None
        if node:
            variables["BROKER_URL"] = node.url
        with (folder / "stack.log").open("wb") as log:
            started = subprocess.Popen(
                [sys.executable, "-m", "orderproject.stack"], env=variables, stdout=log, stderr=log
            )
            try:
                told = _environment(folder / "data" / "environment", started)
                live = Live(folder, psutil.Process(started.pid), variables, told, node)
                live.wait_ready()
                _wait_for(folder / "stack.log", "Serving", started)
                yield live
            finally:
                _stop(started)


def _stop(started: subprocess.Popen[bytes]) -> None:
    started.send_signal(signal.SIGINT)
    try:
        started.wait(30)
    except subprocess.TimeoutExpired:
        started.kill()


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
