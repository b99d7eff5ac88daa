"""`taskset -c 0,1 python -m bench.peers.whole.sweep celery-prefork`: finds a peer's best settings.

It runs the throughput scenario with every combination of the settings in `GRIDS` for several rounds, and prints the
medians, the best first. Put the best settings into the peer's `__main__.py`.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.sample import Sample
from bench.servers import Servers, servers

PACKAGES = {
    "celery-prefork": ("bench.peers.plain_celery", "prefork"),
    "celery-solo": ("bench.peers.plain_celery", "solo"),
    "dbos-queue": ("bench.peers.dbos_orders", "queue"),
    "dbos-direct": ("bench.peers.dbos_orders", "direct"),
}
GRIDS: dict[str, dict[str, tuple[str, ...]]] = {
    "celery-prefork": {"--concurrency": ("2", "3", "4", "6"), "--prefetch": ("1", "4", "16"), "--feeders": ("1", "3")},
    "celery-solo": {"--concurrency": ("2", "3", "4", "6"), "--prefetch": ("1", "4", "16"), "--feeders": ("1", "3")},
    "dbos-queue": {"--processes": ("1", "2", "3"), "--threads": ("4", "8", "16"), "--polling": ("0.02", "0.05", "0.2")},
    "dbos-direct": {"--processes": ("1", "2", "3"), "--threads": ("2", "4", "8")},
}
LIMIT = 600
"""The maximum number of seconds for one run."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.whole.sweep")
    parser.add_argument("contender", choices=sorted(PACKAGES))
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="setting=value: use only this value of the setting")
    options = parser.parse_args()
    tried: dict[tuple[str, ...], list[Sample]] = {}
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder, servers(Path(folder)) as running:
        for _ in range(options.rounds):
            for settings in combinations(GRIDS[options.contender], options.only):
                sample = measure(running, options.contender, options.orders, settings)
                tried.setdefault(settings, []).append(sample)
                print(*settings, figures([sample]), *sample.problems, flush=True)
    print("\nThe medians, best first:")
    for settings, samples in sorted(tried.items(), key=lambda item: -median(item[1], "per_second")):
        print(*settings, figures(samples))


def combinations(grid: dict[str, tuple[str, ...]], only: list[str]) -> list[tuple[str, ...]]:
    """The combinations as arguments of the peer's command: `("--threads", "4", …)`."""
    fixed = {f"--{name}": (value,) for name, _, value in (part.partition("=") for part in only)}
    values = (grid | fixed).items()
    return [
        tuple(itertools.chain.from_iterable(chosen))
        for chosen in itertools.product(*([(name, one) for one in several] for name, several in values))
    ]


def measure(running: Servers, contender: str, orders: int, settings: tuple[str, ...]) -> Sample:
    package, variant = PACKAGES[contender]
    database = running.database("sweep")
    command = (sys.executable, "-m", package, "--variant", variant, "--orders", str(orders), *settings)
    addresses = ("--database-url", database, "--redis-url", running.redis_url)
    done = subprocess.run((*command, *addresses), stdout=subprocess.PIPE, check=True, timeout=LIMIT)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Sample)


def median(samples: list[Sample], figure: str) -> float:
    return statistics.median(sample.figures.get(figure, 0.0) for sample in samples)


def figures(samples: list[Sample]) -> str:
    return f"{median(samples, 'per_second'):.0f}/s, {median(samples, 'cpu_ms_per_order'):.1f} ms of CPU an order"


if __name__ == "__main__":
    main()
