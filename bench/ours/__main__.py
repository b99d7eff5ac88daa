"""`python -m bench.ours --scenario storm --orders 6000 --database-url … --redis-url …`: measures our stack.

Needs an empty database and an empty Valkey. It starts all processes, runs the scenarios one after the other, and prints
a `Sample` as a line of JSON for each.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

import django
import msgspec

from bench.ours import stack
from bench.sample import Sample


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ours")
    parser.add_argument("--scenario", action="append", required=True, help="the scenario to run; can be repeated")
    parser.add_argument(
        "--orders", action="append", type=int, required=True, help="its number of orders; repeat it for each --scenario"
    )
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--gateway", choices=["inprocess", "http"], default="inprocess")
    parser.add_argument("--past", type=int, default=0, help="the number of stored orders to load first")
    parser.add_argument("--admin-url", default="", help="the superuser's URL; required with --past")
    parser.add_argument("--data", type=Path, help="the folder for logs and sockets; by default a temporary one")
    return parser.parse_args()


def run(options: argparse.Namespace, data: Path) -> None:
    at = stack.deployment(data, options.database_url, options.redis_url)
    os.environ.update(stack.variables(at, options.gateway))
    django.setup()
    from bench.ours.shop import opened
    from bench.scenarios import flash_stock
    from bench.scenarios.runs import RUNS

    wanted = list(zip(options.scenario, options.orders, strict=True))
    history = {"past": options.past, "admin_url": options.admin_url}
    with opened(at, options.gateway, flash=flash_stock(wanted), **history) as shop:
        shop.warm_up()
        for name, orders in wanted:
            shop.problems.clear()
            figures = RUNS[name](shop, orders)
            sample = Sample(
                scenario=name,
                contender="ours",
                gateway=options.gateway,
                figures=figures,
                settings={"orders": str(orders)},
                problems=shop.reconcile(),
            )
            sys.stdout.buffer.write(msgspec.json.encode(sample) + b"\n")
            sys.stdout.buffer.flush()


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    from orderproject.stack.errors import StackError

    try:
        if options.data:
            run(options, options.data)
        else:
            with tempfile.TemporaryDirectory(prefix="bench-ours-") as data:
                run(options, Path(data))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
