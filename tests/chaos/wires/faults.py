"""One function per fault at a wire. Each hurts once and returns when the fault has ended; recovery comes later."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from random import Random

import psutil

from tests.chaos.wires.wire import Wire
from tests.publishing import Process

LEASE = 3.0
"""Seconds of a publisher's lease, instead of 15, so that many freezes outlast it."""


@dataclass
class Hurt:
    """What a fault acts on: two publishers, of which one holds the lease, and the wire to the broker."""

    wire: Wire
    publishers: tuple[Process, Process]
    chance: Random

    def publisher(self) -> Process:
        """The one with a connection to the broker, which holds the lease; any, if none has one."""
        connected = [one for one in self.publishers if self._is_connected(one)]
        return self.chance.choice(connected or list(self.publishers))

    def _is_connected(self, one: Process) -> bool:
        with suppress(psutil.Error):
            found = psutil.Process(one.child.pid).net_connections("tcp")
            return any(each.raddr and each.raddr[1] == self.wire.proxy.port for each in found)
        return False

    def for_a_while(self, fault: AbstractContextManager[None], least: float, most: float) -> None:
        with fault:
            time.sleep(self.chance.uniform(least, most))


Fault = Callable[[Hurt], None]


def _kill_publisher(hurt: Hurt) -> None:
    one = hurt.publisher()
    assert one.child.poll() is None, "a publisher ended by itself; see its log"
    one.kill()
    one.start()


def _freeze_publisher(least: float, most: float) -> Fault:
    def fault(hurt: Hurt) -> None:
        one = hurt.publisher()
        one.signal(signal.SIGSTOP)
        time.sleep(hurt.chance.uniform(least, most))
        one.signal(signal.SIGCONT)

    return fault


OF_THE_BROKER = frozenset({"kill the broker", "restart the broker", "the disk is full"})
"""Those that it does not survive in one piece. They come half as often as the others, because they take longest."""
FAULTS: dict[str, Fault] = {
    "kill a publisher": _kill_publisher,
    "freeze a publisher beyond its lease": _freeze_publisher(LEASE + 1, LEASE + 3),
    "freeze a publisher": _freeze_publisher(0.2, 2.0),
    "kill the broker": lambda hurt: hurt.wire.server.kill(),
    "restart the broker": lambda hurt: hurt.wire.server.restart(),
    "freeze the broker": lambda hurt: hurt.for_a_while(hurt.wire.server.frozen(), 0.3, 3.0),
    "the network stands still": lambda hurt: hurt.for_a_while(hurt.wire.proxy.still(), 0.3, 3.0),
    "answers are lost": lambda hurt: hurt.for_a_while(hurt.wire.proxy.deaf(), 0.2, 2.0),
    "connections break": lambda hurt: hurt.for_a_while(hurt.wire.proxy.broken(), 0.1, 1.0),
    "the network is slow": lambda hurt: hurt.for_a_while(hurt.wire.proxy.slow(hurt.chance.uniform(0.05, 0.4)), 1, 3),
    "the disk is full": lambda hurt: hurt.for_a_while(hurt.wire.filled(), 0.3, 2.0),
}
