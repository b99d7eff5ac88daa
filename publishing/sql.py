"""SQL statements on cursors, records and held streams, each with the plan that it relies on."""

SLOT = "mod(mod(hashtextextended(stream, 0), %(slots)s) + %(slots)s, %(slots)s) = %(slot)s"
"""Whether a stream belongs to a slot."""

# A cursor that no process holds. The table has few rows. SKIP LOCKED: another process is claiming it now.
CLAIM = """
UPDATE publishing_cursor SET lease = %(lease)s, leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(ARRAY(
    SELECT id FROM publishing_cursor
    WHERE publisher = %(publisher)s AND (lease IS NULL OR leased_until < clock_timestamp())
    ORDER BY backfill, slot FOR UPDATE SKIP LOCKED))
RETURNING id, slot, slots, backfill, position, until
"""

RENEW = """
UPDATE publishing_cursor SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = %(id)s AND lease = %(lease)s RETURNING id
"""

RELEASE = "UPDATE publishing_cursor SET lease = NULL, leased_until = NULL WHERE id = %(id)s AND lease = %(lease)s"

# The fence: a process that lost its lease moves nothing.
MOVE = """
UPDATE publishing_cursor
SET position = %(position)s, leased_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    moved_at = now(), failures = 0, error = ''
WHERE id = %(id)s AND lease = %(lease)s RETURNING id
"""

FINISH = "DELETE FROM publishing_cursor WHERE id = %(id)s AND lease = %(lease)s AND backfill RETURNING id"

FAILED = """
UPDATE publishing_cursor SET failures = failures + 1, error = %(error)s, failed_at = now()
WHERE id = %(id)s AND lease = %(lease)s RETURNING failures
"""

# As Python writes a time: without a fraction if there is none. The session's time zone is UTC.
COLUMNS = """
position, event_id::text, type, version,
replace(to_char(time, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z'),
source, stream, stream_version, correlation_id, causation_id, traceparent,
floor(extract(epoch FROM time))::bigint, data::text
"""

# Plan: a range of the primary key.
EVENTS_OF_ALL = f"""
SELECT {COLUMNS} FROM events_storedevent WHERE position > %(after)s AND position <= %(until)s ORDER BY position
"""  # noqa: S608  no input  # nosec B608
EVENTS_OF_SLOT = f"""
SELECT {COLUMNS} FROM events_storedevent
WHERE position > %(after)s AND position <= %(until)s AND {SLOT} ORDER BY position
"""  # noqa: S608  no input  # nosec B608

# Plan: the unique index on (stream, stream_version); a stream has few events.
EVENTS_OF_STREAM = f"""
SELECT {COLUMNS} FROM (SELECT * FROM events_storedevent WHERE stream = %(stream)s OFFSET 0) own
WHERE position >= %(since)s AND position <= %(until)s ORDER BY stream_version LIMIT %(limit)s
"""  # noqa: S608  no input  # nosec B608

# Plan: the unique index on (publisher, stream).
HELD = (
    "SELECT stream, position FROM publishing_heldstream WHERE publisher = %(publisher)s AND stream = ANY(%(streams)s)"
)

# A backfill may find an earlier event refused than the one that the stream is held at.
HOLD = """
INSERT INTO publishing_heldstream (publisher, stream, position, attempts, error, due_at, since)
SELECT %(publisher)s, stream, position, 1, error, now() + make_interval(secs => %(seconds)s), now()
FROM unnest(%(streams)s::text[], %(positions)s::bigint[], %(errors)s::text[]) AS refused (stream, position, error)
ON CONFLICT (publisher, stream) DO UPDATE
SET position = least(publishing_heldstream.position, excluded.position), error = excluded.error
"""

DUE = f"""
SELECT id, stream, position, attempts FROM publishing_heldstream
WHERE publisher = %(publisher)s AND due_at <= now() AND {SLOT} ORDER BY due_at LIMIT %(limit)s
"""  # noqa: S608  no input  # nosec B608

# All three change nothing if a person has moved the hold meanwhile.
LET_GO = "DELETE FROM publishing_heldstream WHERE id = %(id)s AND position = %(position)s"
ADVANCE = """
UPDATE publishing_heldstream SET position = %(next)s, attempts = 0, error = '', due_at = now()
WHERE id = %(id)s AND position = %(position)s
"""
REFUSED_AGAIN = """
UPDATE publishing_heldstream
SET position = %(next)s, attempts = %(attempts)s, error = %(error)s,
    due_at = now() + make_interval(secs => %(seconds)s::float8)
WHERE id = %(id)s AND position = %(position)s
"""

# Plan: a range of the primary key each; a cursor far behind counts what it has to publish.
LAG = """
SELECT count(*), extract(epoch FROM clock_timestamp() - min(time))::float8
FROM events_storedevent WHERE position > %(position)s AND (%(until)s::bigint IS NULL OR position <= %(until)s)
"""
LAG_OF_ALL = LAG
LAG_OF_SLOT = f"{LAG} AND {SLOT}"

UNROUTED = "UPDATE publishing_cursor SET unrouted = %(count)s WHERE id = %(id)s AND unrouted IS DISTINCT FROM %(count)s"
