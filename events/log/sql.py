"""SQL statements on the log, each with the query plan that it relies on."""

from events.db.keyed import Keyed

INSERT_EVENTS = """
INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source,
                                actor, correlation_id, causation_id, traceparent, time)
"""

EVENT_TYPES = ("uuid", "text", "int", "text", "text", "jsonb", "text", "text", "text", "text", "text", "timestamptz")

# Takes one array per column, so that a batch of any size is one statement with one plan. PostgreSQL numbers and
# returns the rows in the order of the arrays, as in Django's own multi-row inserts.
APPEND = Keyed(f"""
{INSERT_EVENTS} SELECT * FROM unnest({", ".join(f"%s::{type}[]" for type in EVENT_TYPES)})
RETURNING position
""")  # noqa: S608  names of columns, no input  # nosec B608

# Plan: a backward index-only scan on (stream, stream_version), one row per stream.
LAST_VERSIONS = Keyed("""
SELECT asked.stream, coalesce((
    SELECT stream_version FROM events_storedevent stored WHERE stored.stream = asked.stream
    ORDER BY stream_version DESC LIMIT 1), 0)
FROM unnest(%s::text[]) AS asked (stream)
""")

# Plan: the unique index on (stream, stream_version), one row per stream.
FIRST_CONTEXTS = """
SELECT asked.stream, first.traceparent
FROM unnest(%s::text[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT traceparent FROM events_storedevent stored
    WHERE stored.stream = asked.stream AND stored.stream_version = 1 OFFSET 0) AS first
"""

# The columns of INSERT_EVENTS, for larger statements that insert events as one of their parts.
EVENT_COLUMNS = INSERT_EVENTS.partition("(")[2].rpartition(")")[0]

# Plan: the unique index on (stream, stream_version), one range per stream.
HISTORIES = """
SELECT asked.stream, history.*
FROM unnest(%s::text[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT stream_version, type, version, data::text FROM events_storedevent stored
    WHERE stored.stream = asked.stream ORDER BY stream_version) AS history
"""

# Plan: jumps from stream to stream in the same index, so the cost does not depend on the number of events.
STREAMS_BEHIND = """
WITH RECURSIVE behind AS (
    (SELECT stream FROM events_storedevent WHERE stream > %s ORDER BY stream LIMIT 1)
    UNION ALL
    SELECT (SELECT stream FROM events_storedevent later WHERE later.stream > behind.stream ORDER BY stream LIMIT 1)
    FROM behind WHERE behind.stream IS NOT NULL
)
SELECT stream FROM behind WHERE stream IS NOT NULL LIMIT %s
"""

# A binary search over the primary key, about twenty steps. Times grow with positions, except for small deviations.
FIRST_SINCE = """
WITH RECURSIVE halved (low, high) AS (
    SELECT coalesce(min(position), 0), coalesce(max(position), 0) + 1 FROM events_storedevent
    UNION ALL
    SELECT CASE WHEN middle.time < %(since)s THEN middle.position + 1 ELSE low END,
           CASE WHEN middle.time < %(since)s THEN high ELSE (low + high) / 2 END
    FROM halved CROSS JOIN LATERAL (
        SELECT position, time FROM events_storedevent WHERE position >= (low + high) / 2 ORDER BY position LIMIT 1
    ) middle
    WHERE low < high
)
SELECT low FROM halved WHERE low >= high
"""

# Plan: the last entry of the primary key.
LAST = "SELECT coalesce(max(position), 0) FROM events_storedevent"

# Open transactions that have appended. A transaction takes the lock before its positions and releases it after its
# commit is visible. Reads no table, only pg_locks in memory. A prepared transaction has no process but does have a
# virtual transaction, so the statement finds it too.
WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'events_storedevent'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# How far the next events after a position reach: the last of them, and the last one before the first gap. Plan: a range
# of the primary key.
NEXT = """
SELECT max(position), max(position) FILTER (WHERE position = %(after)s + number)
FROM (SELECT position, row_number() OVER (ORDER BY position) AS number
      FROM (SELECT position FROM events_storedevent WHERE position > %(after)s
            ORDER BY position LIMIT %(limit)s) page) numbered
"""
