"""`python -m bench.growth --database-url U --orders 1000000`: loads stored orders into a database with products."""

from __future__ import annotations

import argparse

from bench.growth.load import DAYS, load


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument(
        "--days", type=float, default=DAYS, help="the number of days over which the orders are spread (%(default)s)"
    )
    options = parser.parse_args()
    loaded = load(options.database_url, options.orders, days=options.days)
    print(f"{loaded.orders} orders in {loaded.seconds:.0f} s; the database takes {loaded.gib:.2f} GiB")


if __name__ == "__main__":
    main()
