"""SQL statements of replays and rebuilds."""

# Plan: a range of the primary key, or of the index on (type, position).
LOG_BETWEEN = """
SELECT position, event_id, type, version, data::text, correlation_id, actor, traceparent, time
FROM events_storedevent
WHERE position > %(after)s AND position <= %(until)s AND type = ANY(%(types)s)
ORDER BY position LIMIT %(limit)s
"""

# The first event of these types after a position. Plan: for each type one row of the index on (type, position).
NEXT_OF_TYPES = """
SELECT min(found.position)
FROM unnest(%(types)s::text[]) AS wanted (type) CROSS JOIN LATERAL (
    SELECT position FROM events_storedevent event
    WHERE event.type = wanted.type AND position > %(after)s ORDER BY position LIMIT 1) found
"""

# Events after position `after` that have no pending or dead delivery to the subscriber.
LOG_HANDLED_AFTER = """
SELECT position, event.event_id, type, version, data::text, correlation_id, actor, traceparent, time
FROM events_storedevent event LEFT JOIN events_delivery delivery
    ON delivery.event_id = event.position AND delivery.subscriber = %(subscriber)s AND delivery.replay_id IS NULL
WHERE position > %(after)s AND type = ANY(%(types)s)
  AND (delivery.state IS NULL OR delivery.state NOT IN ('pending', 'dead'))
ORDER BY position
"""

# Like ADD_DELIVERIES, for one subscriber. Skips events that already have a delivery of this replay.
ADD_REPLAYED = """
INSERT INTO events_delivery (event_id, subscriber, stream, state, due_at, leases, attempts, replay_id)
SELECT event_id, %(subscriber)s, CASE WHEN %(ordered)s THEN stream END, 'pending', now(), 0, 0, %(replay)s
FROM unnest(%(positions)s::bigint[], %(streams)s::text[]) AS replayed (event_id, stream) ORDER BY event_id
ON CONFLICT DO NOTHING
"""

# Plan: an index scan on delivery_replay.
STILL_PENDING = """
SELECT count(*) FROM (
    SELECT 1 FROM events_delivery WHERE replay_id = %(replay)s AND state = 'pending' LIMIT %(limit)s
) pending
"""

# The table has few rows. A leased replay is not due until its lease expires.
CLAIM_REPLAY = """
UPDATE events_replay SET lease = %(lease)s, due_at = now() + make_interval(secs => %(seconds)s)
WHERE id = (
    SELECT id FROM events_replay
    WHERE state = 'running' AND due_at <= now() AND (%(id)s::uuid IS NULL OR id = %(id)s)
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
