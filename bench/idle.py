"""`python -m bench.idle [--quick]`: measures the CPU use of the whole stack without requests.

It prints the CPU time of every process in percent of one core. The stack starts its own servers and becomes idle first.
The last line of output is a `bench.sample.Sample`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import msgspec

from bench.sample import Sample
from bench.whole import Whole, whole_stack

SECONDS, QUICK = 60.0, 15.0
SETTLING = 15.0
"""Seconds to wait after the start, while Flower inspects the workers and beat sends the first tasks."""


def run(folder: Path, *, quick: bool = False) -> Sample:
    """Starts the stack with its data in `folder` and measures it."""
    with whole_stack(folder) as stack:
        time.sleep(SETTLING / 3 if quick else SETTLING)
        return measure(stack, QUICK if quick else SECONDS)


def measure(stack: Whole, seconds: float) -> Sample:
    """Measures a running stack for this many seconds."""
    began, before = time.monotonic(), stack.cpu()
    time.sleep(seconds)
    lasted, after = time.monotonic() - began, stack.cpu()
    percent = {name: 100 * (used - before.get(name, 0.0)) / lasted for name, used in sorted(after.items())}
    figures = {"cpu_percent": round(sum(percent.values()), 2)}
    figures |= {f"{name}_percent": round(share, 2) for name, share in percent.items()}
    return Sample(scenario="idle", contender="ours", figures=figures, settings={"seconds": f"{seconds:g}"})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle")
    parser.add_argument("--quick", action="store_true", help=f"measure for {QUICK:g} seconds instead of {SECONDS:g}")
    with tempfile.TemporaryDirectory(prefix="idle-") as folder:
        sample = run(Path(folder), quick=parser.parse_args().quick)
    print(msgspec.json.encode(sample).decode())


if __name__ == "__main__":
    main()
