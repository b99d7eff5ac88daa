"""Our running stack: places orders through clients and waits until all are finished."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from django.db import connection

from bench import cpu
from bench.growth.load import load
from bench.load import Result
from bench.orders import SPREAD
from bench.ours import stack
from bench.ours.seed import seed
from bench.reconciliation import reconcile, reconcile_since
from orderproject.accounts.auth import access_token
from orderproject.models import User
from orderproject.stack.deployment import Deployment
from orderproject.stack.errors import StackError
from orderproject.stack.processes import PROJECT, Process, how_it_ended

GLANCE = 0.05
"""Seconds between checks whether all orders are finished. Times are too long by at most this."""
CLIENTS = 64
WARM_UP = 40
"""The number of warm-up orders, the same for every contender."""
LOST = 120.0
"""Seconds without a finished order after which the run fails."""

NO_ORDER = UUID(int=0)
"""An id that sorts before every order's id."""
FINISHED = """
SELECT NOT EXISTS (SELECT FROM events_delivery WHERE state = 'pending')
   AND NOT EXISTS (SELECT FROM sagas_sagarun WHERE wake_at IS NOT NULL AND state IN ('running', 'compensating'))
   AND NOT EXISTS (SELECT FROM orders_order WHERE status = 'pending')
"""
STATUSES = "SELECT status, count(*) FROM orders_order WHERE id > %s GROUP BY status"
TIMES = """
SELECT 1000 * extract(epoch FROM updated_at - created_at)::float FROM orders_order
WHERE status = 'confirmed' AND id > %s ORDER BY 1
"""
LAST_ORDER = "SELECT id FROM orders_order ORDER BY id DESC LIMIT 1"


class Stuck(StackError):
    """Orders do not finish, or a process died. The message says which."""


@dataclass(frozen=True)
class Load:
    """The load to generate. `rate` and `clients` are those of `bench.load`."""

    orders: int
    kind: str = "spread"
    clients: int = CLIENTS
    rate: float = 0.0
    bulk: int = 0

    @property
    def arguments(self) -> list[str]:
        fields = ("orders", "kind", "clients", "rate", "bulk")
        return [part for name in fields for part in (f"--{name}", str(getattr(self, name)))]


@dataclass(frozen=True)
class Run:
    """A finished run. `finished` is the time at which all orders were found to be finished."""

    load: Load
    result: Result
    finished: float
    times_ms: list[float]
    cpu: dict[str, float]

    @property
    def per_second(self) -> float:
        """Orders per second, from the first request until the last order is finished and its e-mail sent."""
        return self.load.orders / (self.finished - self.result.began)


@dataclass
class Shop:
    """The running stack. `stocked` is the stock before the first order, `past` the number of orders stored before.

    `since` is the id of the last stored order, or `NO_ORDER` without any.
    """

    at: Deployment
    gateway: str
    processes: dict[str, Process]
    stocked: dict[str, int]
    past: int = 0
    since: UUID = NO_ORDER
    problems: list[str] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=lambda: {"confirmed": 0, "cancelled": 0})

    def run(self, load: Load, *, cancelled: int = 0) -> Run:
        """Places the orders, waits until all are finished, and records unexpected outcomes as problems."""
        used = self.cpu_seconds()
        last = last_order()
        result = self.place(load, cancelled=cancelled)
        finished = self.wait_until_finished()
        spent = {name: now - used[name] for name, now in self.cpu_seconds().items()}
        self.check_statuses()
        return Run(load, result, finished, _column(TIMES, [last]), spent)

    def warm_up(self) -> None:
        """Warms up, so that figures exclude imports, connections and first query plans."""
        self.run(Load(WARM_UP))

    def place(self, load: Load, *, cancelled: int = 0) -> Result:
        """Places orders from a separate process; returns when each request has its response."""
        command = [sys.executable, "-m", "bench.load", "--port", str(self.at.port), *load.arguments]
        with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
            assert clients.stdin is not None
            assert clients.stdout is not None
            clients.stdin.write(f"{self._token()}\n".encode())
            clients.stdin.flush()
            if clients.stdout.readline() != b"ready\n":
                raise Stuck("the load generator did not start: see its output above")
            clients.stdin.write(b"go\n")
            clients.stdin.flush()
            said = clients.stdout.read()
        if not said:
            raise Stuck("the load generator ended without a result: see its output above")
        result = msgspec.json.decode(said, type=Result)
        self.problems += [f"{count} requests failed: {why}" for why, count in result.failures.items()]
        self.expected["confirmed"] += load.orders - cancelled
        self.expected["cancelled"] += cancelled
        return result

    def wait_until_finished(self) -> float:
        """Waits until all orders are finished; returns that time. Raises Stuck."""
        moved, before = time.monotonic(), None
        asked = 0.0
        while not _value(FINISHED):
            self.refuse_the_dead()
            if time.monotonic() - asked > 5:
                now, asked = dict(_rows(STATUSES, [self.since])), time.monotonic()
                moved = asked if now != before else moved
                before = now
                if asked - moved > LOST:
                    raise Stuck(f"no order finishes any more; orders by status: {now}\n{self.logs()}")
            time.sleep(GLANCE)
        return time.time()

    def check_statuses(self) -> None:
        found = {**dict.fromkeys(self.expected, 0), **dict(_rows(STATUSES, [self.since]))}
        if found != self.expected:
            self.problems.append(f"orders by status are {found} instead of {self.expected}")

    def reconcile(self) -> list[str]:
        """All problems so far, including failed requests. With stored orders, only the new ones are reconciled."""
        if self.past:
            return [*self.problems, *reconcile_since(self.since, self.stocked)]
        sandbox = self.at.sandbox_url if self.gateway == "http" else ""
        return [*self.problems, *reconcile(self.stocked, sandbox)]

    def refuse_the_dead(self) -> None:
        for process in self.processes.values():
            if not process.running:
                raise Stuck(process.failure_message(f"{how_it_ended(process.returncode)} while it was measured"))

    def roots(self) -> dict[str, int]:
        """The ids of the main processes, including the servers."""
        ours = {name: process.pid for name, process in self.processes.items() if process.pid}
        return {**ours, **server_processes(self.at.redis_url)}

    def cpu_seconds(self) -> dict[str, float]:
        return cpu.seconds(self.roots())

    def delay_gateway(self, milliseconds: int) -> None:
        """Sets the latency of every call from now on. Only for the sandbox."""
        body = json.dumps({"ms": milliseconds}).encode()
        request = urllib.request.Request(f"{self.at.sandbox_url}/control/latency", body, method="POST")
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=10).close()

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{process.log_tail()}" for name, process in self.processes.items())

    def _token(self) -> str:
        """An access token, valid for 15 minutes."""
        return str(access_token(User.objects.get(username="customer")))


@contextmanager
def opened(at: Deployment, gateway: str, *, flash: int = 1, past: int = 0, admin_url: str = "") -> Iterator[Shop]:
    """Starts the stack on an empty database. `flash` is the stock of the scarce product, `past` the stored orders.

    With stored orders, the superuser at `admin_url` runs a checkpoint, so that their writes do not slow the run down.
    """
    stack.make_schema(at)
    stocked = seed(flash)
    if past:
        sold = load(at.database_url, past, skus=SPREAD).sold
        stocked = {sku: quantity + sold.get(sku, 0) for sku, quantity in stocked.items()}
        with psycopg.connect(admin_url, autocommit=True) as superuser:
            superuser.execute("CHECKPOINT")
    since = last_order()
    with stack.started(at, gateway) as processes:
        yield Shop(at, gateway, processes, stocked, past, since)


def last_order() -> UUID:
    """The id of the last order, or `NO_ORDER`."""
    found = _rows(LAST_ORDER)
    return UUID(str(found[0][0])) if found else NO_ORDER


def server_processes(redis_url: str) -> dict[str, int]:
    """The process ids of the servers that we are connected to, which run on this machine."""
    import redis

    backend = int(_value("SELECT pg_backend_pid()"))
    info: Any = redis.Redis.from_url(redis_url).info("server")
    return {"postgres": cpu.parent_of(backend), "valkey": int(info["process_id"])}


def _rows(query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def _value(query: str) -> Any:
    return _rows(query)[0][0]


def _column(query: str, parameters: list[Any]) -> list[float]:
    return [row[0] for row in _rows(query, parameters)]
