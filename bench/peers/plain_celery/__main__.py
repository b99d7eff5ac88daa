"""`python -m bench.peers.plain_celery --variant prefork --scenario throughput --orders 2000 …` measures Celery."""

import argparse
import os
import tempfile
from pathlib import Path

from bench.peers.whole import command
from bench.peers.whole.gateway import environment

PREFORK_CONCURRENCY = 3
SOLO_WORKERS = 2
PREFETCH = {"prefork": 4, "solo": 4}
FEEDERS = 2


def arguments() -> argparse.Namespace:
    parser = command.parser("bench.peers.plain_celery", ["prefork", "solo"])
    parser.add_argument("--concurrency", type=int, help="prefork: processes; solo: workers")
    parser.add_argument("--prefetch", type=int, help="messages that a process prefetches")
    parser.add_argument("--feeders", type=int, default=FEEDERS, help="threads that place orders")
    parser.add_argument("--header-results", choices=["ignored", "kept"], default="ignored")
    options = parser.parse_args()
    options.concurrency = options.concurrency or (PREFORK_CONCURRENCY if options.variant == "prefork" else SOLO_WORKERS)
    options.prefetch = options.prefetch or PREFETCH[options.variant]
    return options


def main() -> None:
    options = arguments()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "bench.peers.plain_celery.settings",
        "DATABASE_URL": options.database_url,
        "REDIS_URL": options.redis_url,
        "PEER_PREFETCH": str(options.prefetch),
        "PEER_HEADER_RESULTS": options.header_results,
        **environment(options.gateway),
    }
    # Imported late, because both read the environment on import.
    import django

    django.setup()
    from bench.peers.plain_celery.peer import PlainCelery

    with tempfile.TemporaryDirectory(prefix="plain-celery-") as folder:
        command.run(options, PlainCelery(options, Path(folder)))


if __name__ == "__main__":
    main()
