"""What to know of live streams when a reader does not get what was committed: stalled, or passed over?"""

from __future__ import annotations

from collections.abc import Sequence

from events.db.query import execute
from tests.acceptance.shop import Shop
from tests.sse import Reader

# Who holds the log back: every session that has the lock of an append, and all others that are in a transaction.
SESSIONS = """
SELECT pid, application_name, state, wait_event_type, wait_event, now() - xact_start AS open_for, left(query, 100),
       EXISTS (SELECT 1 FROM pg_locks held WHERE held.pid = activity.pid AND mode = 'RowExclusiveLock'
               AND relation = 'events_storedevent'::regclass) AS appends
FROM pg_stat_activity activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
ROWS = "SELECT count(*), max(position) FROM events_storedevent"


def story(reader: Reader, committed: Sequence[int], shop: Shop) -> str:
    """`committed`: the positions that it should have, in order."""
    received = [event.id for event in reader.received]
    missing = sorted(set(committed) - set(received))
    behind = [position for position in missing if not received or position > received[-1]]
    return "\n".join(
        [
            f"received {len(received)} of {len(committed)}; the last id is {reader.last}, {reader.comments} comments",
            f"missing: {len(behind)} behind the last one, {len(missing) - len(behind)} passed over",
            f"passed over: {missing[: len(missing) - len(behind)]}",
            f"opened with: {reader.resumed}",
            f"ended with: {reader.ends}",
            f"rows, last position: {execute(ROWS, [])}",
            *(f"session: {row}" for row in execute(SESSIONS, [])),
            shop.logs(),
        ]
    )
