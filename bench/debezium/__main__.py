"""`python -m bench.debezium [--orders N]`: does Debezium send the same events as our publisher?

It writes whole orders and every declared event into a log of its own, reads it by Debezium's connector with the
configuration in deploy/debezium, and compares each record with the message of our publisher to Kafka: topic, key,
value, headers, and the order within each stream. It reads the log as it is when the connector starts, what is appended
meanwhile, and what was appended while the connector stood still. It ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import psycopg

from bench.debezium import connector
from bench.servers import Servers, servers
from bench.steps import DATABASE, close, settle_in

SHOWN = 20
"""Differences that are printed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.debezium")
    parser.add_argument("--orders", type=int, default=400, help="whole orders (%(default)s)")
    parser.add_argument("--backlog", type=int, default=20_000, help="events while it stands still (%(default)s)")
    options = parser.parse_args()
    if not connector.PYTHON.exists():
        parser.error("Debezium is not installed: run .ci/debezium")
    with tempfile.TemporaryDirectory(prefix="debezium-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # under root, PostgreSQL runs as another user
        with servers(Path(folder), {"wal_level": "logical"}) as private:
            settle_in(private, plans=False)
            try:
                return _compare(private, Path(folder), options.orders, options.backlog)
            except connector.ConnectorFailed as error:
                print(error, file=sys.stderr)
                return 1
            finally:
                close()


def _compare(private: Servers, folder: Path, orders: int, backlog: int) -> int:
    # These need Django, which is configured only now.
    from bench.debezium import events
    from bench.debezium.comparison import Compared
    from publishing.engine.records import Record, between

    def log(after: int = 0) -> list[Record]:
        return between(after, sys.maxsize, 0, 1)

    def ids(records: list[Record]) -> set[str]:
        return {record.event_id for record in records}

    admin = f"{private.postgres.admin_url.rpartition('/')[0]}/{DATABASE}"
    connector.prepare(admin)
    events.everything_declared()
    events.whole_orders(orders // 2)
    stored = log()
    with connector.connector(admin, folder) as running:
        events.whole_orders(orders - orders // 2)
        received = running.until(ids(log()))
        received += running.rest()
    live = log(after=stored[-1].position)
    events.backlog(backlog)
    behind = log(after=live[-1].position)
    held = _held_back(admin)
    with connector.connector(admin, folder) as running:
        late = running.until(ids(behind))
        late_rest = running.rest()
    found = Compared(log(), [*received, *late, *late_rest])
    took = late[-1].at - late[0].at
    print(f"compared {found.records} events: {len(stored)} were there, {len(live)} came meanwhile, {len(behind)} late")
    print(f"differences {len(found.differences)}, repeated {found.repeated}, without an empty array {found.shorter}")
    print(f"read {len(late) / took:.0f} events/s of the backlog; the slot held back {held / 2**20:.1f} MiB of WAL")
    for difference in found.differences[:SHOWN]:
        print(difference, file=sys.stderr)
    return 1 if found.differences else 0


def _held_back(admin_url: str) -> int:
    """Bytes of WAL that the slot of a connector that stands still keeps on the server's disk."""
    with psycopg.connect(admin_url) as connection:
        row = connection.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots"
        ).fetchone()
    assert row
    return int(row[0])


if __name__ == "__main__":
    sys.exit(main())
