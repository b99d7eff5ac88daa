"""What each process reports of itself: that it runs, and how it uses its pool of connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import connections

from events.metrics import flush, presence
from events.metrics.declare import Reported

RUNNING = Reported("processes_running", "Processes that reported within the last 20 seconds.", ("process",))
POOL = Reported(
    "database_pool_connections", "Connections to PostgreSQL in the pools of all processes of a kind.",
    ("process", "state"),
)  # fmt: skip
POOL_MAX = Reported("database_pool_max_connections", "What these pools may hold at most.", ("process",))
POOL_WAITING = Reported("database_pool_waiting_requests", "Threads that wait for a connection.", ("process",))


def start(
    kind: str, more: Callable[[], flush.Reports] = dict, *,
    name: str = "", serves: Sequence[str] = (), doing: Callable[[], str] = str,
) -> None:  # fmt: skip
    """Writes what this process counts from now on. `kind`: web, live, relay, publisher, worker or beat. Idempotent.

    `more` returns what else the process reports of itself. The rest is for the list of processes: see `presence`.
    """
    presence.introduce(kind, name, serves, doing)
    flush.start(partial(_report, kind, more))


def _report(kind: str, more: Callable[[], flush.Reports]) -> flush.Reports:
    return {(RUNNING.name, (kind,)): 1.0, **_pool(kind), **more()}


def _pool(kind: str) -> flush.Reports:
    wrapper: Any = connections["default"]
    pool = getattr(wrapper, "pool", None)
    if pool is None:
        return {}
    stats = pool.get_stats()
    idle = stats.get("pool_available", 0)
    return {
        (POOL.name, (kind, "idle")): idle,
        (POOL.name, (kind, "used")): stats.get("pool_size", 0) - idle,
        (POOL_MAX.name, (kind,)): stats.get("pool_max", 0),
        (POOL_WAITING.name, (kind,)): stats.get("requests_waiting", 0),
    }
