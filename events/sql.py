"""Every statement of the kernel that matters for speed, with the plan that it relies on.

Each works on a batch with constant cost in statements. `id = ANY(ARRAY(SELECT …))` instead of `IN (SELECT …)`:
PostgreSQL then looks rows up by their key whatever it believes about the size of a table that was born empty.
`state || '' = 'pending'` where ids are given: the planner must not take the partial index of what is due instead,
which is full of what was due a moment ago.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from events.keyed import Keyed


def run(statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Executes on the connection of this thread; the rows, if there are any."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


_EVENTS = """
INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source,
                                actor, correlation_id, causation_id, traceparent, time)
"""
_TYPES = ("uuid", "text", "int", "text", "text", "jsonb", "text", "text", "text", "text", "text", "timestamptz")

# Rows come in as one array per column, so that a batch of any size is one statement with one plan. They are numbered
# and come back in the order in which they were given, as in Django's own inserts of many rows.
APPEND = Keyed(f"""
{_EVENTS} SELECT * FROM unnest({", ".join(f"%s::{type}[]" for type in _TYPES)})
RETURNING position
""")  # noqa: S608  names of columns, no input  # nosec B608

# An index-only scan backward over (stream, stream_version), one step for each stream.
LAST_VERSIONS = Keyed("""
SELECT asked.stream, coalesce((
    SELECT stream_version FROM events_storedevent stored WHERE stored.stream = asked.stream
    ORDER BY stream_version DESC LIMIT 1), 0)
FROM unnest(%s::text[]) AS asked (stream)
""")

# One event beside each subscriber of its class.
_DELIVERIES = """
INSERT INTO events_delivery (event_id, subscriber, stream, state, due_at, leases, attempts)
SELECT event_id, subscriber, CASE WHEN ordered THEN stream END, 'pending', now(), 0, 0
FROM {recorded} CROSS JOIN unnest(%s::text[], %s::bool[]) AS listening (subscriber, ordered)
"""
ADD_DELIVERIES = Keyed(_DELIVERIES.format(recorded="unnest(%s::bigint[], %s::text[]) AS recorded (event_id, stream)"))

# The same two as parts of a larger statement; to be formatted with its part `gate`: an event whose stream has no row
# there is not written.
_COLUMNS = _EVENTS.partition("(")[2].rpartition(")")[0]
PARTS = f"""
recorded AS ({_EVENTS} SELECT {_COLUMNS} FROM {{gate}}
             JOIN unnest({", ".join(f"%s::{type}[]" for type in _TYPES)}) AS event ({_COLUMNS}) USING (stream)
             RETURNING position AS event_id, stream),
delivered AS ({_DELIVERIES.format(recorded="recorded")})
"""  # noqa: S608  names of columns, no input  # nosec B608

# For each subscriber an index scan on delivery_due in its order, however much is due for it or for others; what another
# relay holds is skipped, not waited for.
# What is handled at once, within the claim's transaction, is locked until then and needs no lease; what was leased
# before may be poison.
CLAIM = Keyed("""
WITH due AS MATERIALIZED (
    SELECT delivery.*, subscriber = ANY(%(at_once)s) AND leases = 0 AS at_once
    FROM unnest(%(subscribers)s::text[]) AS listening (name)
    CROSS JOIN LATERAL (
        SELECT id, subscriber, event_id, leases FROM events_delivery
        WHERE state = 'pending' AND subscriber = listening.name AND due_at <= now() AND stream IS NULL
        ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) AS delivery
), leased AS (
    UPDATE events_delivery
    SET due_at = now() + make_interval(secs => %(seconds)s), lease = %(lease)s, leases = leases + 1
    WHERE id = ANY(ARRAY(SELECT id FROM due WHERE NOT at_once))
)
SELECT id, subscriber, event_id, leases + 1 FROM due
""")

# Claimed and then not sent: as if it had not been claimed. A message that left all the same comes too late.
UNSEND = """
UPDATE events_delivery SET due_at = now(), lease = NULL, leases = greatest(leases - 1, 0)
WHERE id = ANY(%s) AND state || '' = 'pending' AND lease = %s
"""

# As above, for subscribers that asked for order: nothing whose stream has an earlier delivery that is
# not due (leased, backing off), was sent before and so travels alone, or is dead.
# Two relays must not run it at once for one subscriber: see LOCK_ORDERED.
CLAIM_ORDERED = """
UPDATE events_delivery SET due_at = now() + make_interval(secs => %(seconds)s), lease = %(lease)s, leases = leases + 1
WHERE id = ANY(ARRAY(
    SELECT id FROM events_delivery later
    WHERE state = 'pending' AND due_at <= now() AND stream IS NOT NULL AND subscriber = %(subscriber)s
      AND NOT EXISTS (
        SELECT 1 FROM events_delivery earlier
        WHERE earlier.subscriber = later.subscriber AND earlier.stream = later.stream AND earlier.id < later.id
          AND (earlier.state = 'dead' OR earlier.state = 'pending' AND (earlier.due_at > now() OR earlier.leases > 0)))
    ORDER BY id LIMIT %(limit)s FOR UPDATE))
RETURNING id, subscriber, event_id, leases
"""

LOCK_ORDERED = "SELECT pg_try_advisory_xact_lock(hashtextextended('events.ordered:' || %s, 0))"

# Both by primary key. A delivery that another worker has locked at this instant is being handled: skip it.
TAKE = Keyed("""
SELECT delivery.id, delivery.attempts, delivery.leases, event.position, event.event_id, event.stream, event.type,
       event.version, coalesce(delivery.edited_data, event.data)::text, event.correlation_id, event.actor,
       event.traceparent, CASE WHEN %s THEN event.time END, delivery.replay_id
FROM events_delivery delivery
CROSS JOIN LATERAL (SELECT * FROM events_storedevent WHERE position = delivery.event_id OFFSET 0) event
WHERE delivery.id = ANY(ARRAY(SELECT unnest(%s::bigint[]))) AND delivery.state || '' = 'pending'
ORDER BY event.position FOR UPDATE OF delivery SKIP LOCKED
""")

# The fence for handlers that work outside a transaction: only the holder of the lease goes on.
TAKE_OVER = Keyed("""
UPDATE events_delivery SET lease = %s, due_at = now() + make_interval(secs => %s)
WHERE id = ANY(ARRAY(SELECT unnest(%s::bigint[]))) AND state || '' = 'pending' AND lease = %s
RETURNING id
""")

RENEW = """
UPDATE events_delivery SET due_at = now() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s) AND state || '' = 'pending' AND lease = %(lease)s
"""

# The worker is told to stop: due at once, as if it had not been sent. Until another takes it, the lease still holds.
HAND_BACK = """
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
""")

# A failure counts, sets the retry clock and leaves a record, in one statement. Whoever lost the lease writes nothing.
FAIL = """
WITH failed AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(delays)s::float8[], %(dead)s::bool[], %(types)s::text[],
                         %(errors)s::text[], %(tracebacks)s::text[], %(durations)s::int[])
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
"""

# The breaker is open: no attempt is spent. What was not even sent does not count as sent either.
POSTPONE = """
UPDATE events_delivery
SET due_at = now() + make_interval(secs => %(seconds)s), lease = NULL, leases = greatest(leases - %(unsent)s, 0),
    alone_at = NULL
WHERE id = ANY(%(ids)s) AND state || '' = 'pending' AND lease = %(lease)s
"""

# Given back: no attempt is spent, and it is due at once. What was not even begun does not count as sent either.
RELEASE = """
UPDATE events_delivery SET due_at = now(), lease = NULL, alone_at = NULL, leases = greatest(leases - %(unsent)s, 0)
WHERE id = ANY(%(ids)s) AND state || '' = 'pending'
"""

# Committed before a suspect is handled. A try that was begun and left no answer is counted now, so that what kills
# its worker ends dead; what never reached a worker is not. Locked means that it is being handled at this instant.
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
), told AS (
    INSERT INTO events_attempt (delivery_id, number, error_type, error, traceback, worker, duration_ms, at)
    SELECT id, attempts, 'vanished', 'A worker began it alone and never came back.', '', '', 0, vanished_at
    FROM begun WHERE vanished_at IS NOT NULL
)
SELECT id, state FROM begun
"""

# --- what a person does about dead letters ---------------------------------------------------------------------

# Index scan on delivery_dead, then the attempts of each by their delivery. By time: numbers start again after a retry.
_DEAD_WITH_LAST_ERROR = """
FROM events_delivery delivery LEFT JOIN LATERAL (
    SELECT error_type, at FROM events_attempt WHERE delivery_id = delivery.id ORDER BY at DESC, id DESC LIMIT 1
) last ON true
WHERE delivery.state = 'dead'
"""

DEAD_GROUPS = f"""
SELECT delivery.subscriber, coalesce(last.error_type, ''), count(*),
       min(coalesce(last.at, delivery.due_at)), max(coalesce(last.at, delivery.due_at))
{_DEAD_WITH_LAST_ERROR} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""

# A group, batch by batch: whatever dies again meanwhile lies behind us.
DEAD_OF_GROUP = f"""
SELECT delivery.id {_DEAD_WITH_LAST_ERROR}
  AND delivery.subscriber = %(subscriber)s AND coalesce(last.error_type, '') = %(error_type)s
  AND delivery.id > %(after)s ORDER BY delivery.id LIMIT %(limit)s
"""

# Both lock in the order of ids, so that two people who do this at once cannot deadlock.
RETRY = """
UPDATE events_delivery SET state = 'pending', attempts = 0, leases = 0, lease = NULL, alone_at = NULL, due_at = now()
WHERE id = ANY(ARRAY(
    SELECT id FROM events_delivery WHERE id = ANY(%s) AND state = 'dead' ORDER BY id FOR UPDATE))
RETURNING id
"""

DISCARD = """
UPDATE events_delivery SET state = 'discarded', lease = NULL
WHERE id = ANY(ARRAY(
    SELECT id FROM events_delivery WHERE id = ANY(%s) AND state = 'dead' ORDER BY id FOR UPDATE))
RETURNING id
"""

# --- the log against the rows ----------------------------------------------------------------------------------

# Along the unique index on (stream, stream_version), one range for each stream.
HISTORIES = """
SELECT asked.stream, history.*
FROM unnest(%s::text[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT stream_version, type, version, data::text FROM events_storedevent stored
    WHERE stored.stream = asked.stream ORDER BY stream_version) AS history
"""

# From stream to stream along the same index, one step each, however many events lie between.
STREAMS_BEHIND = """
WITH RECURSIVE behind AS (
    (SELECT stream FROM events_storedevent WHERE stream > %s ORDER BY stream LIMIT 1)
    UNION ALL
    SELECT (SELECT stream FROM events_storedevent later WHERE later.stream > behind.stream ORDER BY stream LIMIT 1)
    FROM behind WHERE behind.stream IS NOT NULL
)
SELECT stream FROM behind WHERE stream IS NOT NULL LIMIT %s
"""

# --- retention -------------------------------------------------------------------------------------------------

LOCK_PRUNING = "SELECT pg_try_advisory_xact_lock(hashtextextended('events.pruning:' || %s, 0))"

# A range of the unique index on (event, subscriber, replay). In it lie, beside what is deleted, only the few that are
# not done; a replay's are passed over without a look at the table.
OLD_DELIVERIES = """
SELECT id, event_id FROM events_delivery
WHERE event_id >= %(first)s AND event_id <= %(last)s AND replay_id IS NULL
  AND state = 'done' AND done_at < %(before)s
ORDER BY event_id LIMIT %(limit)s
"""

# A replay's own lie among old events without being old: they go some time after the replay is over. By delivery_replay.
OLD_REPLAYED = """
SELECT delivery.id FROM events_replay replay JOIN events_delivery delivery ON delivery.replay_id = replay.id
WHERE replay.finished_at < %(before)s AND delivery.state = 'done' LIMIT %(limit)s
"""

# One statement is one moment: a build that is live, or being made, at that moment or later is not among them.
OLD_BUILDS = """
SELECT live, last, ARRAY(
    SELECT replay.build FROM events_replay replay
    WHERE replay.subscriber = %(subscriber)s AND replay.state = 'running' AND replay.build IS NOT NULL)
FROM events_build WHERE name = %(name)s
"""

DELETE_ATTEMPTS = "DELETE FROM events_attempt WHERE delivery_id = ANY(%s)"

DELETE_DELIVERIES = "DELETE FROM events_delivery WHERE id = ANY(%s)"

# --- replays ---------------------------------------------------------------------------------------------------

# Held until the commit of whoever writes into this build; a swap waits for it.
HOLD_BUILD = "SELECT live, boundary FROM events_build WHERE name = %s FOR SHARE"

ADD_BUILD = "INSERT INTO events_build (name, live, boundary, last) VALUES (%s, 1, 0, 1) ON CONFLICT DO NOTHING"

NEXT_BUILD = "UPDATE events_build SET last = last + 1 WHERE name = %s RETURNING last"

# Halving, by about twenty steps down the primary key. Time grows with the position, but for a moment more or less.
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

# A range of the primary key, or of the index by type.
LOG_BETWEEN = """
SELECT position, event_id, type, version, data::text, correlation_id, actor, traceparent, time
FROM events_storedevent
WHERE position > %(after)s AND position <= %(until)s AND type = ANY(%(types)s)
ORDER BY position LIMIT %(limit)s
"""

# What was recorded after `after` and is not on its way to the subscriber any more, or never was.
LOG_HANDLED_AFTER = """
SELECT position, event.event_id, type, version, data::text, correlation_id, actor, traceparent, time
FROM events_storedevent event LEFT JOIN events_delivery delivery
    ON delivery.event_id = event.position AND delivery.subscriber = %(subscriber)s AND delivery.replay_id IS NULL
WHERE position > %(after)s AND type = ANY(%(types)s)
  AND (delivery.state IS NULL OR delivery.state NOT IN ('pending', 'dead'))
ORDER BY position
"""

# As ADD_DELIVERIES, for one subscriber; what this replay has made already it does not make again.
ADD_REPLAYED = """
INSERT INTO events_delivery (event_id, subscriber, stream, state, due_at, leases, attempts, replay_id)
SELECT event_id, %(subscriber)s, CASE WHEN %(ordered)s THEN stream END, 'pending', now(), 0, 0, %(replay)s
FROM unnest(%(positions)s::bigint[], %(streams)s::text[]) AS replayed (event_id, stream) ORDER BY event_id
ON CONFLICT DO NOTHING
"""

# Index scan on delivery_replay.
STILL_PENDING = """
SELECT count(*) FROM (
    SELECT 1 FROM events_delivery WHERE replay_id = %(replay)s AND state = 'pending' LIMIT %(limit)s
) pending
"""

# A table of few rows. Who finds another's lease still running leaves it alone.
CLAIM_REPLAY = """
UPDATE events_replay SET lease = %(lease)s, due_at = now() + make_interval(secs => %(seconds)s)
WHERE id = (
    SELECT id FROM events_replay
    WHERE state = 'running' AND due_at <= now() AND (%(id)s::uuid IS NULL OR id = %(id)s)
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
