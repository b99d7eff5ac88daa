"""What is true now: queues, sagas, breakers, publishers, processes, sales. A part that takes too long is left out.

No statement reads a table that grows with time: the counted rows are those that are still open, and at most MOST.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import redis
import structlog
from celery import current_app
from django.utils import timezone

from events.breakers.breaker import Snapshot, State, breakers
from events.db.query import execute
from events.declare.queues import declared_queues
from events.declare.subscribers import subscriber
from events.delivery.broker import AWAY, depths
from events.metrics.presence import Presence, processes
from orderproject.observability.gauges import MOST
from orderproject.observability.gauges.deliveries import DEAD, DEAD_MESSAGES, PENDING
from orderproject.observability.gauges.sagas import OPEN, OpenStep, open_steps
from orderproject.observability.within_time import within_time
from orders.models import DailySales
from publishing.models import Cursor

log = structlog.get_logger(__name__)

RELAY = "relay"
"""Stands for the queue of deliveries that the relay handles itself."""
# Plan: the primary key, up to the first event that is not published.
LAG = """
SELECT (SELECT max(position) FROM events_storedevent) - %(position)s,
       extract(epoch FROM clock_timestamp() - time)::float8
FROM events_storedevent WHERE position > %(position)s AND (%(until)s::bigint IS NULL OR position <= %(until)s)
ORDER BY position LIMIT 1
"""


@dataclass(frozen=True)
class Queue:
    """What is due to be done by the workers of a queue. `messages` is None while the broker is unreachable."""

    name: str
    waiting: int
    oldest: float
    messages: int | None


@dataclass(frozen=True)
class Runs:
    """Runs of a saga that have not ended; `oldest` in seconds."""

    saga: str
    state: str
    number: int
    oldest: float


@dataclass(frozen=True)
class Publisher:
    """One cursor. `behind`: positions of the log that it has to publish; `oldest`: seconds, of the first of them."""

    name: str
    slot: int
    kind: str
    behind: int
    oldest: float
    failures: int


@dataclass(frozen=True)
class Sales:
    """Of today, in UTC."""

    currency: str
    confirmed: int
    revenue: Decimal
    cancelled: int
    refunded: Decimal


@dataclass(frozen=True)
class Now:
    """Each part is None where reading it took too long."""

    at: datetime
    queues: list[Queue] | None
    dead: int | None
    dead_messages: int | None
    runs: list[Runs] | None
    steps: list[OpenStep] | None
    breakers: list[Snapshot] | None
    publishers: list[Publisher] | None
    processes: list[Presence] | None
    sales: list[Sales] | None

    @property
    def waiting(self) -> int:
        return sum(queue.waiting for queue in self.queues or ())

    @property
    def oldest(self) -> float:
        return max((queue.oldest for queue in self.queues or ()), default=0.0)

    @property
    def breakers_not_closed(self) -> int | None:
        return None if self.breakers is None else sum(one.state is not State.CLOSED for one in self.breakers)

    @property
    def stuck(self) -> int:
        return sum(runs.number for runs in self.runs or () if runs.state == "stuck")

    @property
    def open(self) -> int:
        return sum(runs.number for runs in self.runs or () if runs.state != "stuck")


def read() -> Now:
    """A number of statements that depends on no row but the publishers' cursors. Raises django.db.Error."""
    steps = within_time("steps", open_steps)
    dead = within_time("dead deliveries", lambda: sum(number for _, number, _ in execute(DEAD, [MOST])))
    return Now(
        at=timezone.now(),
        queues=within_time("queues", lambda: _queues(steps or [])),
        dead=dead,
        dead_messages=within_time("dead messages", lambda: int(execute(DEAD_MESSAGES, [])[0][0])),
        runs=within_time("sagas", lambda: [Runs(*row) for row in execute(OPEN, {"most": MOST})]),
        steps=steps,
        breakers=_breakers(),
        publishers=within_time("publishers", _publishers),
        processes=within_time("processes", processes),
        sales=within_time("sales", _sales),
    )


def gauges() -> dict[str, float]:
    """The same as numbers, for the sample of a minute."""
    state = read()
    found = {"dead": float(state.dead or 0), "stuck": float(state.stuck), "open": float(state.open)}
    for queue in state.queues or ():
        found |= {f"waiting {queue.name}": float(queue.waiting), f"oldest {queue.name}": queue.oldest}
    for one in state.publishers or ():
        name = f"lag {one.name}"
        found[name] = max(one.oldest, found.get(name, 0.0))
    return found


def _queues(steps: list[OpenStep]) -> list[Queue]:
    waiting: dict[str, int] = defaultdict(int)
    oldest: dict[str, float] = defaultdict(float)
    for name, number, age in execute(PENDING, [MOST]):
        one = subscriber(name)
        queue = RELAY if one is None or one.at_relay else str(one.queue)
        waiting[queue] += number
        oldest[queue] = max(oldest[queue], age or 0.0)
    for step in steps:
        if step.queue is not None:
            waiting[step.queue] += step.number
            oldest[step.queue] = max(oldest[step.queue], step.oldest or 0.0)
    try:
        messages = {str(queue): number for queue, number in depths(current_app, declared_queues()).items()}
    except AWAY as error:
        log.warning("queue depths not available; the broker is unreachable", error=str(error))
        messages = {}
    names = [RELAY, *map(str, declared_queues())]
    return [Queue(name, waiting[name], oldest[name], messages.get(name)) for name in names]


def _breakers() -> list[Snapshot] | None:
    try:
        return [one.snapshot() for one in breakers()]
    except redis.RedisError as error:
        log.warning("breakers not available; Valkey is unreachable", error=str(error))
        return None


def _publishers() -> list[Publisher]:
    found = []
    for one in Cursor.objects.order_by("publisher", "backfill", "slot"):
        rows = execute(LAG, {"position": one.position, "until": one.until})
        behind, oldest = rows[0] if rows else (0, 0.0)
        kind = "backfill" if one.backfill else "live"
        found.append(Publisher(one.publisher, one.slot, kind, behind, oldest, one.failures))
    return found


def _sales() -> list[Sales]:
    today = timezone.now().date()
    return [
        Sales(one.currency, one.confirmed, one.revenue, one.cancelled, one.refunded)
        for one in DailySales.objects.live().filter(day=today).order_by("currency")
    ]
