"""SQL statements on deliveries, each with the query plan that it relies on.

Every statement handles a batch of any size. They say `id = ANY(ARRAY(SELECT …))` instead of `IN (SELECT …)`, so that
PostgreSQL looks rows up by key even if its statistics date from when the table was empty. Statements that get ids say
`state || '' = 'pending'` to keep the planner off the partial index `delivery_due`, which is full of entries of rows
that were due a moment ago.
"""

from events.db.keyed import Keyed
from events.log.sql import EVENT_COLUMNS, EVENT_TYPES, INSERT_EVENTS

# One row per event and subscriber.
_DELIVERIES = """
INSERT INTO events_delivery (event_id, subscriber, stream, state, due_at, leases, attempts)
SELECT event_id, subscriber, CASE WHEN ordered THEN stream END, 'pending', now(), 0, 0
FROM {recorded} CROSS JOIN unnest(%s::text[], %s::bool[]) AS listening (subscriber, ordered)
"""

ADD_DELIVERIES = Keyed(_DELIVERIES.format(recorded="unnest(%s::bigint[], %s::text[]) AS recorded (event_id, stream)"))

# Both inserts as parts of a larger statement. Format it with the name of an earlier part as `gate`: an event whose
# stream has no row there is not inserted.
PARTS = f"""
recorded AS ({INSERT_EVENTS} SELECT {EVENT_COLUMNS} FROM {{gate}}
             JOIN unnest({", ".join(f"%s::{type}[]" for type in EVENT_TYPES)}) AS event ({EVENT_COLUMNS}) USING (stream)
             RETURNING position AS event_id, stream),
delivered AS ({_DELIVERIES.format(recorded="recorded")})
"""  # noqa: S608  names of columns, no input  # nosec B608

# Whether a handler had the delivery before: it failed (even if an operator has set its attempts back), was sent and
# then postponed or not answered for, or belongs to a replay. `leases` counts the present one. One look by index.
_AGAIN = """
(attempts > 0 OR leases > 1 OR replay_id IS NOT NULL OR EXISTS (SELECT FROM events_attempt WHERE delivery_id = {id}))
"""
# What a relay that records spans asks of each delivery: the context of its event if that is sampled, and whether it is
# claimed again. One look by primary key.
_CONTEXT = (
    "CASE WHEN %(traced)s THEN (SELECT traceparent FROM events_storedevent"
    " WHERE position = {event} AND traceparent ~ '[13579bdf]$') END"
)

# Plan: per subscriber an index scan on delivery_due in index order, however many rows are due. Rows that another relay
# has locked are skipped.
# Deliveries of `inline` subscribers are handled in the claim's transaction: the row lock protects them, so they need no
# lease. Those that were leased before may be poison; they get a lease and are handled after the commit.
# A delivery is due before it is created, by the start of its transaction. So one that is due later was touched: it was
# claimed, postponed or released.
CLAIM = Keyed(f"""
WITH due AS MATERIALIZED (
    SELECT delivery.*, subscriber = ANY(%(inline)s) AND leases = 0 AS inline
    FROM unnest(%(subscribers)s::text[]) AS listening (name)
    CROSS JOIN LATERAL (
        SELECT id, subscriber, event_id, leases,
               CASE WHEN %(traced)s THEN due_at > created_at OR replay_id IS NOT NULL END AS again
        FROM events_delivery
        WHERE state = 'pending' AND subscriber = listening.name AND due_at <= now() AND stream IS NULL
        ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) AS delivery
), leased AS (
    UPDATE events_delivery
    SET due_at = now() + make_interval(secs => %(seconds)s), lease = %(lease)s, leases = leases + 1
    WHERE id = ANY(ARRAY(SELECT id FROM due WHERE NOT inline))
)
SELECT id, subscriber, event_id, leases + 1, {_CONTEXT.format(event="due.event_id")}, again FROM due
""")  # noqa: S608  names of columns, no input  # nosec B608

# Undoes the claim of deliveries that could not be sent. If a message was sent after all, its lease is no longer valid.
UNSEND = """
UPDATE events_delivery SET due_at = now(), lease = NULL, leases = greatest(leases - 1, 0)
WHERE id = ANY(%s) AND state || '' = 'pending' AND lease = %s
"""

# The claim for ordered subscribers. It skips a delivery if an earlier one of its stream is not due (leased or backing
# off), was sent before and must be sent alone, or is dead.
# Two relays must not run it concurrently for one subscriber: see LOCK_ORDERED.
CLAIM_ORDERED = f"""
UPDATE events_delivery SET due_at = now() + make_interval(secs => %(seconds)s), lease = %(lease)s, leases = leases + 1
WHERE id = ANY(ARRAY(
    SELECT id FROM events_delivery later
    WHERE state = 'pending' AND due_at <= now() AND stream IS NOT NULL AND subscriber = %(subscriber)s
      AND NOT EXISTS (
        SELECT 1 FROM events_delivery earlier
        WHERE earlier.subscriber = later.subscriber AND earlier.stream = later.stream AND earlier.id < later.id
          AND (earlier.state = 'dead' OR earlier.state = 'pending' AND (earlier.due_at > now() OR earlier.leases > 0)))
    ORDER BY id LIMIT %(limit)s FOR UPDATE))
RETURNING id, subscriber, event_id, leases, {_CONTEXT.format(event="events_delivery.event_id")},
          CASE WHEN %(traced)s THEN {_AGAIN.format(id="events_delivery.id")} END
"""  # noqa: S608  names of columns, no input  # nosec B608

LOCK_ORDERED = "SELECT pg_try_advisory_xact_lock(hashtextextended('events.ordered:' || %s, 0))"

# Plan: both tables by primary key. Skips a delivery that another worker has locked, because that worker handles it.
TAKE = Keyed(f"""
SELECT delivery.id, delivery.attempts, delivery.leases, event.position, event.event_id, event.stream, event.type,
       event.version, coalesce(delivery.edited_data, event.data)::text, event.correlation_id, event.actor,
       event.traceparent, CASE WHEN %s THEN event.time END, delivery.replay_id,
       extract(epoch FROM clock_timestamp() - delivery.created_at)::float8,
       CASE WHEN %s THEN {_AGAIN.format(id="delivery.id")} END
FROM events_delivery delivery
CROSS JOIN LATERAL (SELECT * FROM events_storedevent WHERE position = delivery.event_id OFFSET 0) event
WHERE delivery.id = ANY(ARRAY(SELECT unnest(%s::bigint[]))) AND delivery.state || '' = 'pending'
ORDER BY event.position FOR UPDATE OF delivery SKIP LOCKED
""")  # noqa: S608  names of columns, no input  # nosec B608

# The fence for handlers that work outside a transaction: only the holder of the lease continues.
TAKE_OVER = Keyed("""
UPDATE events_delivery SET lease = %s, due_at = now() + make_interval(secs => %s)
WHERE id = ANY(ARRAY(SELECT unnest(%s::bigint[]))) AND state || '' = 'pending' AND lease = %s
RETURNING id
""")

RENEW = """
UPDATE events_delivery SET due_at = now() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s) AND state || '' = 'pending' AND lease = %(lease)s
"""

# The worker is told to stop: due now, as if it had not been sent. Until another worker takes it, the lease still holds.
RELEASE_LEASED = """
UPDATE events_delivery SET due_at = now(), alone_at = NULL, leases = greatest(leases - 1, 0)
WHERE id = ANY(%(ids)s) AND state || '' = 'pending' AND lease = %(lease)s
"""

DONE = Keyed("""
UPDATE events_delivery SET state = 'done', done_at = now()
WHERE id = ANY(ARRAY(SELECT unnest(%s::bigint[]))) AND state || '' = 'pending'
""")

DONE_UNDER_LEASE = Keyed("""
UPDATE events_delivery SET state = 'done', done_at = now()
WHERE id = ANY(ARRAY(SELECT unnest(%s::bigint[]))) AND state || '' = 'pending' AND lease = %s
RETURNING id
""")

# Counts the failure, sets the next due time and records the attempt, in one statement. Changes nothing if the lease is
# lost.
FAIL = """
WITH failed AS (
    SELECT * FROM unnest(%(id)s::bigint[], %(delay)s::float8[], %(dead)s::bool[], %(error_type)s::text[],
                         %(error)s::text[], %(traceback)s::text[], %(duration_ms)s::int[])
                  AS failed (id, delay, dead, error_type, error, traceback, duration_ms)
), counted AS (
    UPDATE events_delivery delivery
    SET attempts = attempts + 1, lease = NULL, alone_at = NULL,
        state = CASE WHEN failed.dead THEN 'dead' ELSE 'pending' END,
        due_at = now() + make_interval(secs => failed.delay)
    FROM failed
    WHERE delivery.id = failed.id AND delivery.state = 'pending'
      AND (%(lease)s::uuid IS NULL OR delivery.lease = %(lease)s)
    RETURNING delivery.id, delivery.attempts
)
INSERT INTO events_attempt (delivery_id, number, error_type, error, traceback, worker, duration_ms, at)
SELECT counted.id, counted.attempts, error_type, error, traceback, %(worker)s, duration_ms, now()
FROM counted JOIN failed USING (id)
RETURNING delivery_id
"""

# For an open breaker: costs no attempt. `unsent` is 1 for deliveries that never reached the handler, so that they do
# not count as sent.
POSTPONE = """
UPDATE events_delivery
SET due_at = now() + make_interval(secs => %(seconds)s), lease = NULL, leases = greatest(leases - %(unsent)s, 0),
    alone_at = NULL
WHERE id = ANY(%(ids)s) AND state || '' = 'pending' AND lease = %(lease)s
"""

# No attempt is spent, and it is due now. What was not even begun does not count as sent either.
RELEASE = """
UPDATE events_delivery SET due_at = now(), lease = NULL, alone_at = NULL, leases = greatest(leases - %(unsent)s, 0)
WHERE id = ANY(%(ids)s) AND state || '' = 'pending'
"""

# Committed before a suspected poison delivery is handled. Counts an earlier attempt that began and has no outcome as
# failed, so that a delivery that crashes its worker becomes dead in the end. A delivery whose message never reached a
# worker has no such attempt. Skips locked rows, because another worker is handling them.
BEGIN_ALONE = """
WITH suspect AS (
    SELECT id, alone_at, alone_at IS NOT NULL AND attempts + 1 >= %(attempts)s AS exhausted FROM events_delivery
    WHERE id = ANY(%(ids)s) AND state = 'pending' AND lease = %(lease)s FOR UPDATE SKIP LOCKED
), begun AS (
    UPDATE events_delivery delivery
    SET attempts = attempts + CASE WHEN suspect.alone_at IS NULL THEN 0 ELSE 1 END,
        state = CASE WHEN suspect.exhausted THEN 'dead' ELSE 'pending' END,
        alone_at = CASE WHEN suspect.exhausted THEN NULL ELSE now() END
    FROM suspect WHERE delivery.id = suspect.id
    RETURNING delivery.id, delivery.state, delivery.attempts, suspect.alone_at AS vanished_at
), recorded AS (
    INSERT INTO events_attempt (delivery_id, number, error_type, error, traceback, worker, duration_ms, at)
    SELECT id, attempts, 'vanished', 'The worker crashed while it handled this delivery alone.', '', '', 0, vanished_at
    FROM begun WHERE vanished_at IS NOT NULL
)
SELECT id, state FROM begun
"""

LOCK_PRUNING = "SELECT pg_try_advisory_xact_lock(hashtextextended('events.pruning:' || %s, 0))"

# Plan: a range of the unique index on (event, subscriber, replay). Besides the rows to delete, the range holds only the
# few that are not done; rows of replays are skipped within the index.
OLD_DELIVERIES = """
SELECT id, event_id FROM events_delivery
WHERE event_id >= %(first)s AND event_id <= %(last)s AND replay_id IS NULL
  AND state = 'done' AND done_at < %(before)s
ORDER BY event_id LIMIT %(limit)s
"""

# Deliveries of replays refer to old events but are new, so their age is that of the replay's end. Plan: an index scan
# on delivery_replay.
OLD_REPLAYED = """
SELECT delivery.id FROM events_replay replay JOIN events_delivery delivery ON delivery.replay_id = replay.id
WHERE replay.finished_at < %(before)s AND delivery.state = 'done' LIMIT %(limit)s
"""

# One statement sees one snapshot: the result never includes a build that is live or under construction.
OLD_BUILDS = """
SELECT live, last, ARRAY(
    SELECT replay.build FROM events_replay replay
    WHERE replay.subscriber = %(subscriber)s AND replay.state = 'running' AND replay.build IS NOT NULL)
FROM events_build WHERE name = %(name)s
"""

DELETE_ATTEMPTS = "DELETE FROM events_attempt WHERE delivery_id = ANY(%s)"

DELETE_DELIVERIES = "DELETE FROM events_delivery WHERE id = ANY(%s)"
