"""The command line of a peer and its output, a line of JSON at the end."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

import msgspec

from bench.peers.whole.cost import Cost
from bench.peers.whole.gateway import INPROCESS
from bench.peers.whole.runs import LIGHT_SECONDS, LIGHT_SECONDS_QUICK, Peer, drain, light, throughput
from bench.sample import Sample


def parser(program: str, variants: Sequence[str]) -> argparse.ArgumentParser:
    """The common arguments. Each peer adds its own settings."""
    arguments = argparse.ArgumentParser(prog=f"python -m {program}")
    arguments.add_argument("--variant", choices=variants, required=True)
    arguments.add_argument("--scenario", choices=["throughput", "drain", "light"], default="throughput")
    arguments.add_argument("--orders", type=int, default=2000)
    arguments.add_argument("--rate", type=float, default=10.0, help="orders per second under light load")
    arguments.add_argument("--database-url", required=True)
    arguments.add_argument("--redis-url", required=True)
    arguments.add_argument("--gateway", default=INPROCESS, help=f"{INPROCESS}, or the URL of the sandbox")
    arguments.add_argument("--quick", action="store_true", help="10 s of light load instead of 60")
    return arguments


def run(options: argparse.Namespace, peer: Peer) -> None:
    """Runs the scenario, reconciles, stops everything and prints the sample."""
    # Stops the workers also when this program is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    cost = Cost(options.database_url, options.redis_url)
    scenarios: dict[str, Callable[[], dict[str, float]]] = {
        "throughput": lambda: throughput(peer, options.orders, cost),
        "drain": lambda: drain(peer, options.orders, cost),
        "light": lambda: light(peer, options.rate, LIGHT_SECONDS_QUICK if options.quick else LIGHT_SECONDS),
    }
    try:
        peer.prepare()
        figures = scenarios[options.scenario]()
        problems = peer.problems()
    finally:
        peer.stop()
    sample = Sample(
        scenario=options.scenario,
        contender=peer.name,
        gateway="inprocess" if options.gateway == INPROCESS else "http",
        figures=figures,
        settings=peer.settings,
        problems=problems,
    )
    sys.stdout.write(msgspec.json.encode(sample).decode() + "\n")
