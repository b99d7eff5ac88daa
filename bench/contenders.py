"""The contenders, their scenarios, and the commands that start them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bench.scenarios import SIZES, Size

OURS = "ours"


@dataclass(frozen=True)
class Peer:
    """A peer, a program with a command line common to all peers. `scenarios` maps our names to its names and sizes.

    Slower peers have smaller sizes, which still run long enough.
    """

    name: str
    module: str
    variant: str
    scenarios: Mapping[str, tuple[str, Size]]

    def command(self, scenario: str, orders: int, database_url: str, redis_url: str, gateway_url: str) -> list[str]:
        """The command line. `gateway_url` is the URL of the sandbox, or `inprocess`."""
        theirs, _ = self.scenarios[scenario]
        return [
            *(sys.executable, "-m", self.module, "--variant", self.variant),
            *("--scenario", theirs, "--orders", str(orders)),
            *("--database-url", database_url, "--redis-url", redis_url, "--gateway", gateway_url),
        ]


@dataclass(frozen=True)
class Program:
    """A scenario with a program and contenders of its own. `servers`: it gets the URLs of the benchmark's servers."""

    module: str
    servers: bool = True
    once: bool = False
    """Runs only in the first round, because it takes long."""

    def command(self, database_url: str, redis_url: str, *, quick: bool) -> list[str]:
        where = ["--database-url", database_url, "--redis-url", redis_url] if self.servers else []
        return [sys.executable, "-m", self.module, *where, *(["--quick"] if quick else [])]


PROGRAMS = {
    "append": Program("bench.parts.append"),
    "relay": Program("bench.parts.relay"),
    "replay": Program("bench.replay"),
    "streams": Program("bench.streams"),
    "idle": Program("bench.idle", servers=False, once=True),
    "soak": Program("bench.soak", servers=False, once=True),
    "publishing": Program("bench.publishing", servers=False, once=True),
    "tracing": Program("bench.tracing", servers=False, once=True),
}
STORM = ("throughput", Size(2000, 120))
DRAIN = ("drain", Size(4000, 150))
LIGHT = ("light", SIZES["light"])
PEERS = {
    peer.name: peer
    for peer in (
        Peer("celery-prefork", "bench.peers.plain_celery", "prefork", {"storm": STORM, "drain": DRAIN, "light": LIGHT}),
        Peer("celery-solo", "bench.peers.plain_celery", "solo", {"storm": STORM, "drain": DRAIN, "light": LIGHT}),
        Peer("dbos-queue", "bench.peers.dbos_orders", "queue", {"storm": STORM, "drain": DRAIN, "light": LIGHT}),
        Peer("dbos-direct", "bench.peers.dbos_orders", "direct", {"storm": STORM, "light": LIGHT}),
    )
}
NAMES = (OURS, *PEERS)
SCENARIOS = (*SIZES, *PROGRAMS)
