"""Every statement on runs and steps; each works on a whole cohort, and finds its rows by primary key."""

from events.db.keyed import Keyed

# Runs, and each one's first steps.
START = Keyed("""
WITH started AS (
    INSERT INTO sagas_sagarun (id, saga, subject, part, state, aborted, reason_code, reason, correlation_id,
                               causation_id, actor, traceparent, started_at, wake_at)
    SELECT id, %(saga)s, subject, part, 'running', false, '', '', correlation_id, causation_id, actor, traceparent,
           now(), now() + make_interval(secs => %(deadline)s)
    FROM unnest(%(ids)s::uuid[], %(subjects)s::uuid[], %(parts)s::uuid[], %(correlations)s::text[],
                %(causations)s::text[], %(actors)s::text[], %(traces)s::text[])
         AS new (id, subject, part, correlation_id, causation_id, actor, traceparent)
)
INSERT INTO sagas_sagastep (run_id, name, state, attempts, due_at, error_code, error, begun_at)
SELECT id, step, 'waiting', 0, now() + make_interval(secs => %(deadline)s), '', '', now()
FROM unnest(%(ids)s::uuid[]) AS new (id) CROSS JOIN unnest(%(steps)s::text[]) AS first (step)
""")

# One decision per run at a time; locked in the order of ids, so that two of them cannot deadlock.
LOCK_RUNS = Keyed("""
SELECT id, saga, state, aborted FROM sagas_sagarun
WHERE id = ANY(ARRAY(SELECT unnest(%s::uuid[]))) AND state IN ('running', 'compensating')
ORDER BY id FOR NO KEY UPDATE
""")

# One line for each run, which says all that a decision needs: "hold_stock done,authorize_payment waiting leased". A
# look into the primary key each; as a join, of tables that are not analysed yet, it would read them whole.
_STEPS_OF = """
SELECT string_agg(name || ' ' || state || CASE WHEN lease IS NOT NULL AND due_at > now() THEN ' leased' ELSE '' END,
                  ',')
FROM sagas_sagastep WHERE run_id = {}
"""
STEPS = Keyed(f"SELECT asked.id, ({_STEPS_OF.format('asked.id')}) FROM unnest(%s::uuid[]) AS asked (id)")  # noqa: S608  # nosec B608

SAID_NO = """
SELECT run_id, name, state, error_code, error FROM sagas_sagastep
WHERE run_id = ANY(%s) AND state IN ('refused', 'failed') ORDER BY run_id, name
"""

OPEN_STEPS = """
SELECT run_id, name, state, coalesce(due_at <= now(), false), due_at, unanswered FROM sagas_sagastep
WHERE run_id = ANY(%s) AND state IN ('waiting', 'undoing')
"""

BEGIN = Keyed("""
INSERT INTO sagas_sagastep (run_id, name, state, attempts, due_at, error_code, error, begun_at)
SELECT run_id, name, 'waiting', 0, now() + make_interval(secs => deadline), '', '', now()
FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(deadlines)s::float8[]) AS new (run_id, name, deadline)
ON CONFLICT DO NOTHING
""")

# Begun by the worker that performs it: BEGIN, TAKE and LEASE in one. The rows are as TAKE's.
BEGIN_LEASED = Keyed("""
WITH begun AS (
    INSERT INTO sagas_sagastep (run_id, name, state, attempts, lease, due_at, error_code, error, begun_at)
    SELECT id, %(step)s, 'waiting', 1, %(lease)s, now() + make_interval(secs => %(seconds)s), '', '', now()
    FROM unnest(%(ids)s::uuid[]) AS new (id)
    ON CONFLICT DO NOTHING RETURNING run_id
)
SELECT run.id, coalesce(run.part, run.subject), run.subject, 1, run.reason_code, run.reason,
       run.correlation_id, run.causation_id, run.actor, run.traceparent, false
FROM begun CROSS JOIN LATERAL (SELECT * FROM sagas_sagarun WHERE id = begun.run_id OFFSET 0) AS run
""")

# Begun and ended in one transaction.
PERFORMED = Keyed("""
INSERT INTO sagas_sagastep (run_id, name, state, attempts, error_code, error, begun_at, done_at)
SELECT run_id, name, state, 0, code, error, now(), now()
FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(states)s::text[], %(codes)s::text[], %(errors)s::text[])
     AS new (run_id, name, state, code, error)
""")

BEGIN_UNDO = """
INSERT INTO sagas_sagastep AS step (run_id, name, state, attempts, due_at, error_code, error, begun_at)
SELECT run_id, name, 'undoing', 0, now() + make_interval(secs => deadline), '', '', now()
FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(deadlines)s::float8[]) AS new (run_id, name, deadline)
ON CONFLICT (run_id, name) DO UPDATE
SET state = 'undoing', attempts = 0, unanswered = 0, due_at = excluded.due_at, lease = NULL, done_at = NULL
"""

# A locked step is being performed: the sweep must not wait for it.
SEND_AGAIN = """
UPDATE sagas_sagastep step
SET due_at = now() + make_interval(secs => late.deadline), lease = NULL, unanswered = unanswered + 1
FROM (SELECT run_id, name, deadline
      FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(deadlines)s::float8[]) AS asked (run_id, name, deadline)
      JOIN sagas_sagastep found USING (run_id, name)
      WHERE found.state IN ('waiting', 'undoing') FOR UPDATE OF found SKIP LOCKED) AS late
WHERE step.run_id = late.run_id AND step.name = late.name
"""

# Committed before a database step is performed alone, so that one that kills its worker runs out of attempts.
BEGIN_ALONE = """
UPDATE sagas_sagastep step SET attempts = attempts + 1
FROM (SELECT run_id, name FROM sagas_sagastep
      WHERE run_id = ANY(%(ids)s) AND name = %(step)s AND state = %(state)s FOR UPDATE SKIP LOCKED) AS suspect
WHERE step.run_id = suspect.run_id AND step.name = suspect.name
RETURNING step.run_id
"""

TURN_BACK = """
UPDATE sagas_sagarun run SET state = 'compensating',
       reason_code = CASE WHEN run.reason_code = '' THEN new.code ELSE run.reason_code END,
       reason = CASE WHEN run.reason_code = '' THEN new.reason ELSE run.reason END
FROM unnest(%(ids)s::uuid[], %(codes)s::text[], %(reasons)s::text[]) AS new (id, code, reason)
WHERE run.id = new.id AND run.id = ANY(ARRAY(SELECT unnest(%(ids)s::uuid[])))
"""

FINISH = Keyed("""
UPDATE sagas_sagarun run SET state = new.state, wake_at = NULL,
       finished_at = CASE WHEN new.state <> 'stuck' THEN now() END
FROM unnest(%(finished)s::uuid[], %(ends)s::text[]) AS new (id, state)
WHERE run.id = new.id AND run.id = ANY(ARRAY(SELECT unnest(%(finished)s::uuid[])))
RETURNING run.saga, run.state, extract(epoch FROM clock_timestamp() - run.started_at)::float8, run.traceparent
""")

# An order that comes alone ends with both.
PERFORMED_AND_FINISH = Keyed(f"WITH performed AS ({PERFORMED}) {FINISH}")

WAKE_AT = """
UPDATE sagas_sagarun run SET wake_at = new.wake_at
FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS new (id, wake_at)
WHERE run.id = new.id AND run.id = ANY(ARRAY(SELECT unnest(%(ids)s::uuid[])))
"""

# A locked step is being performed: skip it.
TAKE = Keyed("""
SELECT run.id, coalesce(run.part, run.subject), run.subject, step.attempts, run.reason_code, run.reason,
       run.correlation_id, run.causation_id, run.actor, run.traceparent, step.error_code <> ''
FROM sagas_sagastep step CROSS JOIN LATERAL (SELECT * FROM sagas_sagarun WHERE id = step.run_id OFFSET 0) AS run
WHERE step.run_id = ANY(ARRAY(SELECT unnest(%(ids)s::uuid[]))) AND step.name = %(step)s AND step.state = %(state)s
  AND (step.lease IS NULL OR step.due_at <= now())
ORDER BY run.id FOR UPDATE OF step SKIP LOCKED
""")

# The rows are as TAKE's.
CALLS = """
SELECT run.id, coalesce(run.part, run.subject), run.subject, step.attempts, run.reason_code, run.reason,
       run.correlation_id, run.causation_id, run.actor, run.traceparent, step.error_code <> ''
FROM sagas_sagastep step JOIN sagas_sagarun run ON run.id = step.run_id
WHERE step.run_id = ANY(%(ids)s) AND step.name = %(step)s ORDER BY run.id
"""

SKIPPED = """
SELECT run_id, array_agg(name) FROM sagas_sagastep WHERE run_id = ANY(%s) AND state = 'skipped' GROUP BY run_id
"""

# TAKE, under a lease and counted as a try, with the same rows.
TAKE_LEASED = Keyed("""
WITH free AS MATERIALIZED (
    SELECT run_id FROM sagas_sagastep
    WHERE run_id = ANY(ARRAY(SELECT unnest(%(ids)s::uuid[]))) AND name = %(step)s AND state = %(state)s
      AND (lease IS NULL OR due_at <= now())
    ORDER BY run_id FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE sagas_sagastep
    SET lease = %(lease)s, attempts = attempts + 1, due_at = now() + make_interval(secs => %(seconds)s)
    WHERE run_id = ANY(ARRAY(SELECT run_id FROM free)) AND name = %(step)s RETURNING run_id, attempts, error_code
)
SELECT run.id, coalesce(run.part, run.subject), run.subject, leased.attempts, run.reason_code, run.reason,
       run.correlation_id, run.causation_id, run.actor, run.traceparent, leased.error_code <> ''
FROM leased CROSS JOIN LATERAL (SELECT * FROM sagas_sagarun WHERE id = leased.run_id OFFSET 0) AS run ORDER BY run.id
""")

RENEW = """
UPDATE sagas_sagastep SET due_at = now() + make_interval(secs => %(seconds)s)
WHERE run_id = ANY(%(ids)s) AND name = %(step)s AND lease = %(lease)s
"""

# The worker is told to stop: the next sweep sends the step again, and no attempt is spent. Locks runs before steps.
RELEASE_LEASED = """
WITH locked AS MATERIALIZED (
    SELECT id FROM sagas_sagarun WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE
), handed_back AS (
    UPDATE sagas_sagastep SET due_at = now(), attempts = greatest(attempts - 1, 0)
    WHERE run_id = ANY(ARRAY(SELECT id FROM locked)) AND name = %(step)s AND lease = %(lease)s
    RETURNING run_id
)
UPDATE sagas_sagarun SET wake_at = now() WHERE id = ANY(ARRAY(SELECT run_id FROM handed_back))
"""

# The fence: a worker that lost the lease, or comes after the step has moved on, changes nothing. It stands in a CASE:
# else the planner takes its conditions for so rare that it expects one row, and tries every row against every other.
_CONCLUDE = """
UPDATE sagas_sagastep step
SET state = new.state, error_code = new.code, error = new.error, lease = NULL, due_at = NULL, done_at = now()
FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(codes)s::text[], %(errors)s::text[]) AS new (id, state, code, error)
WHERE step.run_id = new.id AND step.run_id = ANY(ARRAY(SELECT unnest(%(ids)s::uuid[]))) AND step.name = %(step)s
  AND CASE WHEN step.state = %(state)s THEN step.lease IS NOT DISTINCT FROM %(lease)s::uuid ELSE false END
"""
CONCLUDE = Keyed(f"{_CONCLUDE} RETURNING step.run_id, NULL")

# Where the runs are locked: with the other steps of each, as STEPS shows them.
CONCLUDE_AND_TELL = Keyed(f"""
{_CONCLUDE} RETURNING step.run_id, ({_STEPS_OF.format("step.run_id AND name <> step.name")})
""")

# The breaker is open. Without a lease no call was made; with one, its attempt is not counted.
POSTPONE = """
WITH postponed AS (
    UPDATE sagas_sagastep
    SET due_at = now() + make_interval(secs => %(seconds)s), lease = NULL, error_code = 'postponed', error = %(why)s,
        unanswered = 0,
        attempts = greatest(attempts - CASE WHEN %(lease)s::uuid IS NULL THEN 0 ELSE 1 END, 0)
    WHERE run_id = ANY(%(ids)s) AND name = %(step)s AND state = %(state)s
      AND CASE WHEN %(lease)s::uuid IS NULL THEN lease IS NULL OR due_at <= now() ELSE lease = %(lease)s::uuid END
    RETURNING run_id, due_at
)
UPDATE sagas_sagarun run SET wake_at = least(run.wake_at, postponed.due_at)
FROM postponed WHERE run.id = postponed.run_id
RETURNING run.subject
"""

FAIL = """
WITH failed AS (
    UPDATE sagas_sagastep step
    SET state = new.state, error_code = new.code, error = new.error, lease = NULL,
        attempts = attempts + %(counted)s, unanswered = 0, due_at = now() + make_interval(secs => new.delay)
    FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(delays)s::float8[], %(codes)s::text[], %(errors)s::text[])
         AS new (id, state, delay, code, error)
    WHERE step.run_id = new.id AND step.name = %(step)s AND step.state = %(state)s
      AND step.lease IS NOT DISTINCT FROM %(lease)s::uuid
    RETURNING step.run_id, step.state, step.due_at
)
UPDATE sagas_sagarun run SET wake_at = least(run.wake_at, failed.due_at)
FROM failed WHERE run.id = failed.run_id
RETURNING run.id, failed.state, run.subject
"""

CLAIM_LATE = """
UPDATE sagas_sagarun SET wake_at = now() + interval '15 seconds'
WHERE id = ANY(ARRAY(
    SELECT id FROM sagas_sagarun WHERE wake_at <= now() ORDER BY wake_at LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id
"""

ABORT = """
UPDATE sagas_sagarun SET aborted = true, reason_code = %(code)s, reason = %(reason)s, wake_at = now()
WHERE id = %(id)s
"""

# By primary key: a run's id is a UUID of version 7, so runs stand in the order in which they began.
OLD_RUNS = """
SELECT id FROM sagas_sagarun
WHERE id < %(youngest)s AND state IN ('done', 'undone') AND finished_at < %(before)s
ORDER BY id LIMIT %(limit)s
"""

DELETE_STEPS = "DELETE FROM sagas_sagastep WHERE run_id = ANY(%s)"

DELETE_RUNS = "DELETE FROM sagas_sagarun WHERE id = ANY(%s)"
