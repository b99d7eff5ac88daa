"""`python -m bench [SCENARIO ...] [--quick]`: runs ours and its peers in turn, on the same servers and cores."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from bench import machine, report
from bench.contenders import NAMES, OURS, PEERS, PROGRAMS, SCENARIOS
from bench.plan import HTTP, INPROCESS, Wish, jobs
from bench.running import Failed, Runner
from bench.sample import Sample, append
from bench.scenarios import SIZES
from bench.servers import servers
from orderproject.stack.errors import StackError
from orderproject.stack.processes import PROJECT

FOLDER = Path(os.environ.get("BENCH_DIR") or PROJECT / "var" / "bench")
"""The folder for logs, samples and partial reports. A complete run writes its report to bench/RESULTS.md."""
SHOWN = ("per_second", "p50_ms", "p99_ms", "ratio", "cpu_ms_per_order", "cpu_ms_per_order_client", "cpu_us_per_event")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Write the results to bench/RESULTS.md.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="the scenarios to run; all by default")
    parser.add_argument("--quick", action="store_true", help="run small numbers once; write var/bench/QUICK.md")
    parser.add_argument("--rounds", type=int, default=0, help="the number of rounds; 3 by default, or 1 with --quick")
    parser.add_argument("--cores", default="2", help="the number of cores to use, or their numbers, such as 0,1")
    parser.add_argument(
        "--contender", action="append", default=[], choices=NAMES, help="run only this contender; can be repeated"
    )
    parser.add_argument(
        "--gateway", choices=[INPROCESS, HTTP], default="", help="the gateway for every scenario that supports both"
    )
    parser.add_argument("--orders", type=int, default=0, help="the number of orders for every scenario")
    parser.add_argument("--keep", action="store_true", help="keep databases and files of all runs in var/bench/data")
    parser.add_argument("--list", action="store_true", help="list scenarios and contenders")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"unknown scenario {', '.join(sorted(unknown))}; see --list")
    return options


def main() -> int:
    options = arguments()
    if options.list:
        show_names()
        return 0
    wish = Wish(
        scenarios=options.scenarios,
        contenders=options.contender,
        rounds=options.rounds or (1 if options.quick else 3),
        quick=options.quick,
        orders=options.orders,
        gateway=options.gateway,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.sched_setaffinity(0, chosen_cores(options.cores, os.sched_getaffinity(0)))
    try:
        failed = measure(wish, keep=options.keep)
    except KeyboardInterrupt:
        return 130
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if failed else 0


def measure(wish: Wish, *, keep: bool) -> bool:
    """Runs all jobs and writes the report. Returns whether a job failed or its rows did not reconcile."""
    samples, data = FOLDER / "samples.jsonl", FOLDER / "data"
    for old in (data, FOLDER / "logs"):
        shutil.rmtree(old, ignore_errors=True)
    data.mkdir(parents=True)
    samples.write_bytes(b"")
    began, failed = time.monotonic(), False
    try:
        with servers(data) as running:
            observed = machine.observe(running.postgres.admin_url, running.redis_url)
            machine.save(observed, FOLDER / "machine.json")
            runner = Runner(running, FOLDER, quick=wish.quick)
            for job in jobs(wish):
                try:
                    for sample in runner.run(job):
                        append(samples, sample)
                        print(line(sample), flush=True)
                        failed = failed or bool(sample.problems)
                except (Failed, StackError) as error:
                    print(error, file=sys.stderr, flush=True)
                    failed = True
    finally:
        if not keep:
            shutil.rmtree(data, ignore_errors=True)
    page = page_of(wish)
    report.write(samples, page, machine=observed)
    print(f"{page} after {(time.monotonic() - began) / 60:.1f} minutes; samples: {samples}")
    return failed


def page_of(wish: Wish) -> Path:
    """The path of the report. Only a complete run replaces the published results."""
    if wish.everything:
        return PROJECT / "bench" / "RESULTS.md"
    return FOLDER / ("QUICK.md" if wish.quick else "PART.md")


def line(sample: Sample) -> str:
    """Formats a sample as one line for the terminal."""
    figures = "  ".join(f"{name} {sample.figures[name]:.4g}" for name in SHOWN if name in sample.figures)
    end = "" if not sample.problems else f"\n  {len(sample.problems)} PROBLEMS: " + "\n  ".join(sample.problems)
    return f"{sample.round}  {sample.scenario:<9} {sample.contender:<15} {sample.gateway:<9}  {figures}{end}"


def chosen_cores(text: str, ours: set[int]) -> set[int]:
    """Parses `--cores`: `2` means the first two available cores, `0,1` exactly these. Raises SystemExit."""
    if "," in text:
        return {int(part) for part in text.split(",")}
    count = int(text)
    if not 1 <= count <= len(ours):
        raise SystemExit(f"--cores {count}: only {len(ours)} cores are available; choose fewer")
    return set(sorted(ours)[:count])


def show_names() -> None:
    for name, size in SIZES.items():
        others = [peer.name for peer in PEERS.values() if name in peer.scenarios]
        print(f"{name:<15} {size.full:>6} orders, quick {size.quick:>5}: {', '.join([OURS, *others])}")
    for name, program in PROGRAMS.items():
        print(f"{name:<15} python -m {program.module}")


if __name__ == "__main__":
    sys.exit(main())
