"""`python -m tests.chaos --rounds 10`: every fault so many times, at random instants, with everything reconciled.

Prints the seed, and a table of fault, stack, rounds, orders and recovery time (from the fault's end to the last order
settled). Ends with 1 at the first round in which anything was lost or doubled, and keeps that stack's folder.
Several may run beside each other; `--merge` makes one table of the reports that they wrote.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import django
from rich.console import Console

from tests.chaos.faults import BROKERS, faults
from tests.chaos.live import DOUBLING, USUAL, Live, stack
from tests.chaos.load import PRODUCTS
from tests.chaos.report import Report, merged
from tests.chaos.rounds import one_round


def main() -> int:
    options = _options()
    console = Console(width=132, highlight=False)
    report = merged(options.merge) if options.merge else _run(options, console)
    console.print(report.table())
    for problem in report.problems:
        console.print(problem, markup=False)
    console.print(report.summary())
    return 1 if report.problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault is tried")
    parser.add_argument("--orders", type=int, default=60, help="orders placed around each fault")
    parser.add_argument("--fault", action="append", choices=list(faults("rabbitmq")), help="only this; may be repeated")
    parser.add_argument("--broker", choices=BROKERS, default="valkey", help="what carries the messages")
    parser.add_argument("--doubled", action="store_true", help="deliver every Celery message twice")
    parser.add_argument("--seed", type=int, help="the one of an earlier run, to repeat it")
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write the table's figures as JSON")
    parser.add_argument("--merge", type=Path, nargs="+", metavar="FILE", help="run nothing: one table of these reports")
    options = parser.parse_args()
    if unknown := set(options.fault or ()) - set(faults(options.broker)):
        parser.error(f"no such fault over {options.broker}: {', '.join(unknown)}")
    return options


def _run(options: argparse.Namespace, console: Console) -> Report:
    seed = options.seed if options.seed is not None else time.time_ns() % 2**32
    console.print(f"seed {seed}")
    report = Report(seeds=[seed])
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)
    settings = DOUBLING if options.doubled else USUAL
    with stack(folder, settings, options.broker) as live:
        _use(live)
        _stock()
        _rounds(live, options, Random(seed), report, console)
    if report.problems:
        console.print(f"What that stack left, logs and all, is in {folder}", soft_wrap=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _use(live: Live) -> None:
    os.environ.update(live.environment)
    os.environ["DJANGO_SETTINGS_MODULE"] = USUAL
    django.setup()


def _stock() -> None:
    from inventory.models import Product, Stock

    for sku, quantity in PRODUCTS.items():
        product = Product.objects.create(sku=sku, name=sku.title(), price=10)
        Stock.objects.create(product=product, warehouse_id="BER", on_hand=quantity // 2)
        Stock.objects.create(product=product, warehouse_id="RTM", on_hand=quantity - quantity // 2)


def _rounds(live: Live, options: argparse.Namespace, chance: Random, report: Report, console: Console) -> None:
    """Until all are done, or one has a problem: what comes after it would only repeat it."""
    names = options.fault or list(faults(options.broker))
    kind = f"{options.broker}, doubled" if options.doubled else options.broker
    for number in range(1, options.rounds + 1):
        for name in chance.sample(names, len(names)):
            seen = one_round(live, faults(options.broker)[name], options.orders, chance)
            tally = report.tally(name, kind)
            tally.rounds += 1
            tally.orders += seen.orders
            tally.recoveries.append(round(seen.recovery, 3))
            tally.problems += seen.problems
            report.takeovers = [round(seconds, 3) for seconds in live.takeovers]
            if options.report:
                report.write(options.report)
            console.print(f"{number} {name}: {seen.recovery:.1f} s", *seen.problems, sep="\n  ", markup=False)
            if seen.problems:
                return


if __name__ == "__main__":
    sys.exit(main())
