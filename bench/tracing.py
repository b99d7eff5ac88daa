"""`python -m bench.tracing [--quick]`: what traces cost, in pairs: the same stack without them, at 1 % and at 100 %.

Each pair is measured one after the other, on an empty database each, with a collector that reads and forgets. The lines
of output are `bench.sample.Sample`s; their ratios compare them with the run without traces of the same round.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from bench.parts.timing import print_samples
from bench.sample import Sample
from bench.servers import Servers, servers
from orderproject.stack.processes import PROJECT

STORM, LIGHT, ROUNDS = 6000, 200, 3
QUICK_STORM, QUICK_LIGHT, QUICK_ROUNDS = 2000, 60, 1
RATIOS = (0.0, 0.01, 1.0)
"""The shares of traces that are recorded; 0: no collector is configured."""


def run(folder: Path, *, quick: bool = False) -> Iterator[Sample]:
    """Yields a sample for each share and scenario of each round."""
    orders = {"storm": QUICK_STORM, "light": QUICK_LIGHT} if quick else {"storm": STORM, "light": LIGHT}
    with servers(folder) as both, _collector() as collector:
        for round_ in range(1, (QUICK_ROUNDS if quick else ROUNDS) + 1):
            base: dict[str, Sample] = {}
            for ratio in RATIOS:
                for sample in _measured(both, orders, ratio, collector):
                    base.setdefault(sample.scenario, sample)
                    yield _compared(sample, base[sample.scenario], ratio, round_)


def _measured(both: Servers, orders: dict[str, int], ratio: float, collector: str) -> list[Sample]:
    command = [sys.executable, "-m", "bench.ours", "--redis-url", both.redis_url]
    command += ["--database-url", both.database("bench_tracing")]
    for name, count in orders.items():
        command += ["--scenario", name, "--orders", str(count)]
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_TRACES_SAMPLER_ARG": str(ratio)} if ratio else {}
    said = subprocess.run(command, cwd=PROJECT, env={**os.environ, **traced}, stdout=subprocess.PIPE, check=True)
    return [msgspec.json.decode(line, type=Sample) for line in said.stdout.splitlines()]


def _compared(sample: Sample, base: Sample, ratio: float, round_: int) -> Sample:
    """With its throughput and CPU as shares of those without traces, and its median in milliseconds more."""
    own, other = sample.figures, base.figures
    figures = {
        name: own[name]
        for name in ("per_second", "p50_ms", "p99_ms", "cpu_ms_per_order", "cpu_ms_per_order_web")
        if name in own
    }
    figures["cpu_ratio"] = own["cpu_ms_per_order"] / other["cpu_ms_per_order"]
    figures["p50_ms_more"] = own["p50_ms"] - other["p50_ms"]
    if "per_second" in own:
        figures["ratio"] = own["per_second"] / other["per_second"]
    return Sample(
        scenario="tracing", contender=f"{sample.scenario}-{ratio:.0%}", problems=sample.problems,
        figures={name: round(value, 3) for name, value in figures.items()},
        round=round_, settings=sample.settings,
    )  # fmt: skip


@contextmanager
def _collector() -> Iterator[str]:
    """Reads and forgets."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tracing")
    parser.add_argument("--quick", action="store_true", help="run small numbers once")
    with tempfile.TemporaryDirectory(prefix="bench-tracing-") as folder:
        print_samples(run(Path(folder), quick=parser.parse_args().quick))


if __name__ == "__main__":
    main()
