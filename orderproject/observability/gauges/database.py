"""What slows PostgreSQL down before it fails: old transactions, dead tuples, and too many connections."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from events.db.query import execute
from orderproject.observability.families import gauge

HOT = (
    "events_delivery", "events_measure", "events_storedevent", "inventory_hold", "inventory_stock",
    "notifications_notification", "notifications_webhookdelivery", "orders_idempotentrequest", "orders_order",
    "payments_payment", "publishing_cursor", "sagas_sagarun", "sagas_sagastep",
)  # fmt: skip
"""Tables whose rows are updated or deleted often, and the log."""

# Whose snapshots vacuum must respect in this database. Reads only memory. Without the role pg_monitor, PostgreSQL shows
# no transactions of other users.
HORIZON = """
SELECT 'session' AS holder, max(greatest(age(backend_xmin), age(backend_xid))) AS transactions,
       extract(epoch FROM clock_timestamp() - min(xact_start))::float8 AS seconds
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
  AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
UNION ALL
SELECT 'prepared', max(age(transaction)), extract(epoch FROM clock_timestamp() - min(prepared))::float8
FROM pg_prepared_xacts WHERE database = current_database()
UNION ALL
SELECT 'slot', max(greatest(age(xmin), age(catalog_xmin))), NULL FROM pg_replication_slots
"""
TUPLES = """
SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables
WHERE schemaname = ANY(current_schemas(false)) AND relname = ANY(%s)
"""
CONNECTIONS = """
SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1
"""
STATES = {"active", "idle", "idle in transaction"}
MOST = "SELECT current_setting('max_connections')::int"


def database() -> Iterator[Metric]:
    holders = execute(HORIZON, [])
    yield gauge(
        "database_oldest_transaction_seconds", "Age of the oldest transaction that holds back vacuum.", ["holder"],
        [((holder,), seconds or 0.0) for holder, _, seconds in holders if holder != "slot"],
    )  # fmt: skip
    yield gauge(
        "database_vacuum_horizon_transactions", "How many transactions ago vacuum's horizon was, by who holds it back.",
        ["holder"], [((holder,), transactions or 0) for holder, transactions, _ in holders],
    )  # fmt: skip
    tuples = execute(TUPLES, [list(HOT)])
    yield gauge(
        "database_live_tuples", "Rows of a table, as PostgreSQL estimates.", ["table"],
        [((table,), live) for table, live, _ in tuples],
    )  # fmt: skip
    yield gauge(
        "database_dead_tuples", "Dead row versions that vacuum has not removed, as PostgreSQL estimates.", ["table"],
        [((table,), dead) for table, _, dead in tuples],
    )  # fmt: skip
    by_state: dict[str, int] = {}
    for state, number in execute(CONNECTIONS, []):
        known = state if state in STATES else "other"
        by_state[known] = by_state.get(known, 0) + number
    yield gauge(
        "database_connections", "Sessions of clients in this database.", ["state"],
        [((state.replace(" ", "_"),), number) for state, number in sorted(by_state.items())],
    )  # fmt: skip
    yield gauge("database_max_connections", "PostgreSQL's limit of sessions.", [], [((), execute(MOST, [])[0][0])])
