"""`python -m bench.publishing [--quick]`: what orders lose when the log goes to Kafka and RabbitMQ as well.

Each pair is measured one after the other, on an empty database each: the same stack without brokers, and with both
publishers and the inbox. The brokers run on the same processors. The lines of output are `bench.sample.Sample`s.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from bench.parts.timing import print_samples
from bench.sample import Sample
from bench.servers import Servers, servers
from orderproject.stack.processes import PROJECT
from orderproject.stack.streams import VARIABLES
from tests import kafka, rabbit

LIGHT, ROUNDS = 200, 3
QUICK_LIGHT, QUICK_ROUNDS = 100, 1


def run(folder: Path, *, quick: bool = False) -> Iterator[Sample]:
    """Yields two samples for each round: without and with the publishers."""
    orders = QUICK_LIGHT if quick else LIGHT
    with servers(folder) as both, kafka.broker(folder / "kafka") as address, rabbit.Node(folder / "rabbitmq") as node:
        brokers = {VARIABLES["kafka"]: address, VARIABLES["rabbitmq"]: node.url}
        for round_ in range(1, (QUICK_ROUNDS if quick else ROUNDS) + 1):
            base = _measured(both, orders, {})
            yield _compared(base, base, "none", round_)
            yield _compared(_measured(both, orders, brokers), base, "both", round_)


def _measured(both: Servers, orders: int, brokers: Mapping[str, str]) -> Sample:
    command = [sys.executable, "-m", "bench.ours", "--redis-url", both.redis_url]
    command += ["--database-url", both.database("bench_publishing"), "--scenario", "light", "--orders", str(orders)]
    said = subprocess.run(command, cwd=PROJECT, env={**os.environ, **brokers}, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(said.stdout, type=Sample)


def _compared(sample: Sample, base: Sample, brokers: str, round_: int) -> Sample:
    own, other = sample.figures, base.figures
    figures = {name: own[name] for name in ("p50_ms", "p99_ms", "cpu_ms_per_order")}
    figures |= {f"{name}_ratio": own[f"{name}_ms"] / other[f"{name}_ms"] for name in ("p50", "p99")}
    return Sample(
        scenario="publishing", contender=f"ours-{brokers}", problems=sample.problems,
        figures={name: round(value, 3) for name, value in figures.items()},
        round=round_, settings=sample.settings,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.publishing")
    parser.add_argument("--quick", action="store_true", help="run small numbers once")
    with tempfile.TemporaryDirectory(prefix="bench-publishing-") as folder:
        print_samples(run(Path(folder), quick=parser.parse_args().quick))


if __name__ == "__main__":
    main()
