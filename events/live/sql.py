"""What the live view asks of the log, with the plan that each statement relies on."""

# A range of the primary key.
NEWS = "SELECT position, stream FROM events_storedevent WHERE position > %s ORDER BY position LIMIT %s"

# The last row of the primary key.
LAST = "SELECT coalesce(max(position), 0) FROM events_storedevent"

# Who has appended and not ended yet: the lock is taken before the position, and let go after the commit is visible.
# In memory, no table is read. A prepared transaction has no process, but a virtual transaction all the same.
WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'events_storedevent'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# A range of the unique index on stream and version.
MISSED_OF_STREAM = """
SELECT position FROM events_storedevent
WHERE stream = %(stream)s AND stream_version > %(after)s AND position <= %(until)s
ORDER BY stream_version LIMIT %(limit)s
"""

# A range of the primary key.
MISSED = """
SELECT position FROM events_storedevent WHERE position > %(after)s AND position <= %(until)s
ORDER BY position LIMIT %(limit)s
"""

# As above; the filter lets most rows pass.
MISSED_OF_KINDS = """
SELECT position FROM events_storedevent
WHERE position > %(after)s AND position <= %(until)s AND split_part(stream, ':', 1) = ANY(%(kinds)s)
ORDER BY position LIMIT %(limit)s
"""

# One look into the unique index for each stream. Materialized, or the order and the limit would tempt the planner to
# walk the whole log.
MISSED_OF_STREAMS = """
WITH own AS MATERIALIZED (
    SELECT position FROM events_storedevent
    WHERE stream = ANY(%(streams)s) AND position > %(after)s AND position <= %(until)s)
SELECT position FROM own ORDER BY position LIMIT %(limit)s
"""
