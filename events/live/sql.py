"""SQL statements of live streams, each with the query plan that it relies on."""

# Plan: a range of the primary key.
NEWS = "SELECT position, stream FROM events_storedevent WHERE position > %s ORDER BY position LIMIT %s"

# Plan: a range of the unique index on (stream, stream_version).
MISSED_OF_STREAM = """
SELECT position FROM events_storedevent
WHERE stream = %(stream)s AND stream_version > %(after)s AND position <= %(until)s
ORDER BY stream_version LIMIT %(limit)s
"""

# Plan: a range of the primary key.
MISSED = """
SELECT position FROM events_storedevent WHERE position > %(after)s AND position <= %(until)s
ORDER BY position LIMIT %(limit)s
"""

# Plan: as for MISSED; the filter keeps most rows.
MISSED_OF_KINDS = """
SELECT position FROM events_storedevent
WHERE position > %(after)s AND position <= %(until)s AND split_part(stream, ':', 1) = ANY(%(kinds)s)
ORDER BY position LIMIT %(limit)s
"""

# Plan: one lookup in the unique index per stream. MATERIALIZED, because otherwise ORDER BY and LIMIT would make the
# planner scan the whole log by primary key.
MISSED_OF_STREAMS = """
WITH own AS MATERIALIZED (
    SELECT position FROM events_storedevent
    WHERE stream = ANY(%(streams)s) AND position > %(after)s AND position <= %(until)s)
SELECT position FROM own ORDER BY position LIMIT %(limit)s
"""
