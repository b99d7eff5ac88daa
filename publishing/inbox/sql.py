"""SQL statements of the inbox, each with the plan that it relies on."""

# Returns the identities that are new. Sorted, so that two processes that receive the same never wait for each other.
# Plan: the unique index.
RECEIVE = """
INSERT INTO publishing_receivedevent (source, foreign_source, foreign_id, received_at)
SELECT source, foreign_source, foreign_id, now()
FROM unnest(%(sources)s::text[], %(foreign_sources)s::text[], %(foreign_ids)s::text[])
    AS came (source, foreign_source, foreign_id)
ORDER BY foreign_id, foreign_source, source
ON CONFLICT (foreign_id, foreign_source, source) DO NOTHING
RETURNING id, source, foreign_source, foreign_id
"""

# Plan: the primary key.
PLACE = """
UPDATE publishing_receivedevent received SET position = appended.position
FROM unnest(%(ids)s::bigint[], %(positions)s::bigint[]) AS appended (id, position)
WHERE received.id = appended.id
"""

# One row for each source and broker, which later batches wait for until the commit: so it is the last statement.
COUNT = """
INSERT INTO publishing_inbox (source, broker, received, repeated, skipped, unreadable, last_skipped, moved_at, error)
SELECT source, broker, received, repeated, skipped, unreadable, last_skipped, now(), ''
FROM unnest(%(sources)s::text[], %(brokers)s::text[], %(received)s::bigint[], %(repeated)s::bigint[],
            %(skipped)s::bigint[], %(unreadable)s::bigint[], %(last_skipped)s::text[])
    AS came (source, broker, received, repeated, skipped, unreadable, last_skipped)
ORDER BY source, broker
ON CONFLICT (source, broker) DO UPDATE
SET received = publishing_inbox.received + excluded.received,
    repeated = publishing_inbox.repeated + excluded.repeated,
    skipped = publishing_inbox.skipped + excluded.skipped,
    unreadable = publishing_inbox.unreadable + excluded.unreadable,
    last_skipped = coalesce(nullif(excluded.last_skipped, ''), publishing_inbox.last_skipped),
    moved_at = excluded.moved_at, error = ''
"""

# Also clears the error, with an empty one.
NOTE = """
INSERT INTO publishing_inbox (source, broker, received, repeated, skipped, unreadable, last_skipped, error, failed_at)
SELECT source, %(broker)s, 0, 0, 0, 0, '', %(error)s::text, CASE WHEN %(error)s::text = '' THEN NULL ELSE now() END
FROM unnest(%(sources)s::text[]) AS came (source) ORDER BY source
ON CONFLICT (source, broker) DO UPDATE
SET error = excluded.error, failed_at = coalesce(excluded.failed_at, publishing_inbox.failed_at)
"""
