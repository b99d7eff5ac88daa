"""SQL statements on the stored counts. The table has one row per number, a few thousand at most."""

# Sorted keys, so that two processes that write concurrently cannot deadlock.
ADD = """
INSERT INTO events_measure AS stored (metric, labels, part, process, value, at)
SELECT metric, labels, part, %(process)s, value, clock_timestamp()
FROM unnest(%(metrics)s::text[], %(labels)s::text[], %(parts)s::text[], %(values)s::float8[])
     AS new (metric, labels, part, value)
ORDER BY metric, labels, part
ON CONFLICT (metric, labels, part, process) DO UPDATE
SET at = excluded.at, value = stored.value + excluded.value
"""

# Values are ages in seconds; the row keeps the latest moment.
HAPPENED = """
INSERT INTO events_measure AS stored (metric, labels, part, process, value, at)
SELECT metric, labels, part, '', extract(epoch FROM clock_timestamp())::float8 - age, clock_timestamp()
FROM unnest(%(metrics)s::text[], %(labels)s::text[], %(parts)s::text[], %(values)s::float8[])
     AS new (metric, labels, part, age)
ORDER BY metric, labels, part
ON CONFLICT (metric, labels, part, process) DO UPDATE
SET at = excluded.at, value = greatest(stored.value, excluded.value)
"""

# What a process reports of itself replaces what it reported before.
REPORT = """
INSERT INTO events_measure AS stored (metric, labels, part, process, value, at)
SELECT metric, labels, part, %(process)s, value, clock_timestamp()
FROM unnest(%(metrics)s::text[], %(labels)s::text[], %(parts)s::text[], %(values)s::float8[])
     AS new (metric, labels, part, value)
ORDER BY metric, labels, part
ON CONFLICT (metric, labels, part, process) DO UPDATE SET at = excluded.at, value = excluded.value
"""

LEAVE = "DELETE FROM events_measure WHERE process = %s"

# A process that was killed leaves its rows.
FORGET_SILENT = """
DELETE FROM events_measure WHERE process <> '' AND at < clock_timestamp() - make_interval(secs => %s)
"""

TOTALS = "SELECT metric, labels, part, value FROM events_measure WHERE process = ''"

REPORTED = """
SELECT metric, labels, sum(value) FROM events_measure
WHERE process <> '' AND at > clock_timestamp() - make_interval(secs => %s) GROUP BY metric, labels
"""
