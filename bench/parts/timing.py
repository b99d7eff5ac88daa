"""Command-line options, output of samples as JSON, and timing of batches."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median

import msgspec

from bench.sample import Sample

Measured = dict[str, float]


def options(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description="Needs an empty database.")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def print_samples(samples: Iterable[Sample]) -> None:
    """Prints each sample as soon as it is measured."""
    for sample in samples:
        sys.stdout.buffer.write(msgspec.json.encode(sample) + b"\n")
        sys.stdout.buffer.flush()


def rate(batches: Sequence[Sequence[object]], work: Callable[[Sequence[object]], object], warm_up: int) -> Measured:
    """Items per second and the median time of a batch. The first batches are a warm-up and do not count."""
    for batch in batches[:warm_up]:
        work(batch)
    took = []
    for batch in batches[warm_up:]:
        began = time.perf_counter()
        work(batch)
        took.append(time.perf_counter() - began)
    done = sum(len(batch) for batch in batches[warm_up:])
    return {"per_second": round(done / sum(took), 1), "p50_ms_per_batch": round(1000 * median(took), 2)}
