"""`python -m bench.peers.dbos_orders --variant queue --scenario throughput --orders 2000 …` measures DBOS."""

import argparse
import os
import tempfile
from pathlib import Path

from bench.peers.whole import command
from bench.peers.whole.gateway import environment

PROCESSES = 2
THREADS = {"queue": 8, "direct": 4}
POLLING = 0.02
FEEDERS = 2


def arguments() -> argparse.Namespace:
    parser = command.parser("bench.peers.dbos_orders", ["queue", "direct"])
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--threads", type=int, help="concurrent workflows per process")
    parser.add_argument("--polling", type=float, default=POLLING, help="seconds between polls of the queue")
    parser.add_argument("--feeders", type=int, default=FEEDERS, help="threads that place orders into the queue")
    options = parser.parse_args()
    options.threads = options.threads or THREADS[options.variant]
    return options


def main() -> None:
    options = arguments()
    os.environ |= {
        "DATABASE_URL": options.database_url.replace("postgres://", "postgresql://", 1),
        "PEER_THREADS": str(options.threads),
        "PEER_POLLING": str(options.polling),
        **environment(options.gateway),
    }
    # Imported late, because the datasource reads the environment on import.
    from bench.peers.dbos_orders.peer import Direct, Queued

    variants = {"queue": Queued, "direct": Direct}
    with tempfile.TemporaryDirectory(prefix="dbos-orders-") as folder:
        command.run(options, variants[options.variant](options, Path(folder)))


if __name__ == "__main__":
    main()
