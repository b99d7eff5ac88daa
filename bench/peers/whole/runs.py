"""The scenarios, the same for each peer that processes complete orders."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from bench.peers.whole.cost import Cost

WARM_UP = 40
LIGHT_SECONDS = 60
LIGHT_SECONDS_QUICK = 8
PATIENCE = 120.0
"""Seconds without a newly finished order after which a run fails."""


@dataclass(frozen=True)
class Times:
    """The times of one order. `begun` is the start of the first work after placing; `finished`, the e-mail sent."""

    placed: datetime
    begun: datetime
    confirmed: datetime
    finished: datetime


class Peer(ABC):
    """A contender with its schema, its worker processes and its reconciliation."""

    name: str
    settings: dict[str, str]

    @abstractmethod
    def prepare(self) -> None:
        """Creates the schema and seeds the stock."""

    @abstractmethod
    def start(self) -> None:
        """Starts the workers and waits until they are ready."""

    @abstractmethod
    def place(self, orders: int) -> None:
        """Places orders as fast as possible. It can return before they are finished."""

    @abstractmethod
    def place_one(self) -> None: ...

    @abstractmethod
    def backlog(self, orders: int) -> None:
        """Places orders while no worker runs."""

    def drain(self) -> None:
        """Starts the workers, which process the backlog."""
        self.start()

    @abstractmethod
    def last_order(self) -> int:
        """The highest order number, or 0 without orders."""

    @abstractmethod
    def finished(self, after: int) -> int:
        """The number of orders above the number `after` that are confirmed and mailed."""

    @abstractmethod
    def times(self, after: int) -> list[Times]: ...

    @abstractmethod
    def problems(self) -> list[str]:
        """The problems of all orders that were ever placed."""

    @abstractmethod
    def check(self) -> None:
        """Raises WorkerFailed if a worker has ended."""

    @abstractmethod
    def stop(self) -> None: ...


def throughput(peer: Peer, orders: int, cost: Cost) -> dict[str, float]:
    """Orders per second, from the first placement until the last order is finished."""
    start_warm(peer)
    after, before = peer.last_order(), cost.seconds()
    peer.place(orders)
    wait(peer, after, orders)
    used = cpu(before, cost.seconds(), orders)
    times = peer.times(after)
    span = max(t.finished for t in times) - min(t.placed for t in times)
    return {"per_second": orders / span.total_seconds(), **used}


def drain(peer: Peer, orders: int, cost: Cost) -> dict[str, float]:
    """Orders of a backlog per second, from the first work on it until the last order is finished."""
    peer.backlog(orders)
    before = cost.seconds()
    peer.drain()
    wait(peer, 0, orders)
    used = cpu(before, cost.seconds(), orders)
    times = peer.times(0)
    span = max(t.finished for t in times) - min(t.begun for t in times)
    return {"drained_per_second": orders / span.total_seconds(), **used}


def light(peer: Peer, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds from placed to confirmed, with orders at a constant rate."""
    start_warm(peer)
    after, began = peer.last_order(), time.monotonic()
    orders = int(rate * seconds)
    for number in range(orders):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        peer.place_one()
    wait(peer, after, orders)
    waits = sorted((t.confirmed - t.placed).total_seconds() * 1000 for t in peer.times(after))
    return {"p50_ms": statistics.median(waits), "p99_ms": waits[int(len(waits) * 0.99)]}


def start_warm(peer: Peer) -> None:
    peer.start()
    peer.place(WARM_UP)
    wait(peer, 0, WARM_UP)


def wait(peer: Peer, after: int, orders: int) -> None:
    """Waits until this many orders are finished."""
    finished, changed = 0, time.monotonic()
    while (count := peer.finished(after)) < orders:
        peer.check()
        if count > finished:
            finished, changed = count, time.monotonic()
        if time.monotonic() - changed > PATIENCE:
            raise SystemExit(
                f"only {count} of {orders} orders are finished, and no other within {PATIENCE:g} s; see the worker logs"
            )
        time.sleep(0.1)


def cpu(before: float | None, after: float | None, orders: int) -> dict[str, float]:
    if before is None or after is None:
        return {}
    return {"cpu_ms_per_order": (after - before) * 1000 / orders}
