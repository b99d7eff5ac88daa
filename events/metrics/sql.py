"""SQL statements on the stored counts. The table has one row per number, a few thousand at most."""

# Sorted keys, so that two processes that write concurrently cannot deadlock. A bucket keeps its exemplar until another
# one comes; the age of that is in seconds.
ADD = """
INSERT INTO events_measure AS stored (metric, labels, part, process, value, at, exemplar_trace_id, exemplar_value,
                                      exemplar_at)
SELECT metric, labels, part, '', value, clock_timestamp(), trace_id, seen,
       clock_timestamp() - make_interval(secs => age)
FROM unnest(%(metrics)s::text[], %(labels)s::text[], %(parts)s::text[], %(values)s::float8[], %(traces)s::text[],
            %(seen)s::float8[], %(ages)s::float8[])
     AS new (metric, labels, part, value, trace_id, seen, age)
ORDER BY metric, labels, part
ON CONFLICT (metric, labels, part, process) DO UPDATE
SET at = excluded.at, value = stored.value + excluded.value,
    exemplar_trace_id = coalesce(excluded.exemplar_trace_id, stored.exemplar_trace_id),
    exemplar_value = coalesce(excluded.exemplar_value, stored.exemplar_value),
    exemplar_at = coalesce(excluded.exemplar_at, stored.exemplar_at)
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

EXEMPLARS = """
SELECT metric, labels, part, exemplar_trace_id, exemplar_value, extract(epoch FROM exemplar_at)::float8
FROM events_measure WHERE exemplar_trace_id IS NOT NULL
"""

REPORTED = """
SELECT metric, labels, sum(value) FROM events_measure
WHERE process <> '' AND at > clock_timestamp() - make_interval(secs => %s) GROUP BY metric, labels
"""

# The parts of metrics, added up over their labels. Plan: ranges of the primary key.
SUMS = """
SELECT metric, part, sum(value) FROM events_measure
WHERE metric = ANY(%s) AND process = '' AND part <> 'sum' GROUP BY metric, part
"""

PRESENT = """
INSERT INTO events_process AS stored (id, kind, name, host, pid, release, serves, doing, started_at)
VALUES (%(id)s, %(kind)s, %(name)s, %(host)s, %(pid)s, %(release)s, %(serves)s, %(doing)s,
        clock_timestamp() - make_interval(secs => %(age)s))
ON CONFLICT (id) DO UPDATE SET doing = excluded.doing WHERE stored.doing <> excluded.doing
"""

# A process that ended well has deleted its measures, and those of one that was killed are deleted later.
FORGET_ABSENT = """
DELETE FROM events_process gone WHERE id <> %s AND NOT EXISTS (
    SELECT FROM events_measure WHERE metric = 'processes_running' AND process = gone.id)
"""
PROCESSES = """
SELECT one.kind, one.name, one.host, one.pid, one.release, one.serves, one.doing, one.started_at,
       extract(epoch FROM clock_timestamp() - said.at)::float8
FROM events_process one
JOIN (SELECT process, at FROM events_measure WHERE metric = 'processes_running') said ON said.process = one.id
ORDER BY one.kind, one.name, one.started_at
"""
