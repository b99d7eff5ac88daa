"""The performance-critical SQL statements on notifications and webhooks, with the plans that they rely on."""

from events.db.keyed import Keyed

# Existing rows stay unchanged, and their ids are not returned.
ADD_NOTIFICATIONS = Keyed("""
INSERT INTO notifications_notification (id, order_id, about, kind, recipient, subject, text, html, created_at, error)
SELECT id, order_id, about, %s, recipient, subject, text, html, now(), ''
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
     AS new (id, order_id, about, recipient, subject, text, html)
ON CONFLICT (order_id, kind, about) DO NOTHING
RETURNING id
""")

# Uses the unique index on (order, kind, about). An order has only a few rows.
UNSENT = """
SELECT id, order_id, about, recipient, subject, text, html FROM notifications_notification
WHERE order_id = ANY(%s) AND kind = %s AND about = ANY(%s) AND sent_at IS NULL
"""

# Both use the primary key.
SENT = Keyed("""
UPDATE notifications_notification SET sent_at = now(), error = '' WHERE id = ANY(ARRAY(SELECT unnest(%s::uuid[])))
""")
UNSENDABLE = """
UPDATE notifications_notification SET error = outcome.error FROM unnest(%s::uuid[], %s::text[]) AS outcome (id, error)
WHERE notifications_notification.id = outcome.id
"""

# --- webhooks --------------------------------------------------------------------------------------------------

# The event types that any webhook subscribes to. Reads one row per webhook, at most once a second per process.
ASKED = """
SELECT DISTINCT everything, unnest(event_types) FROM notifications_webhook WHERE disabled_at IS NULL
"""

# Finds each event by its stream in the log, then the webhooks of its owner (index on the owner) and those that receive
# all events (partial index).
FAN_OUT = """
SELECT webhook.id, event.position
FROM unnest(%(streams)s::text[], %(event_ids)s::uuid[], %(owners)s::uuid[]) AS recorded (stream, event_id, owner_id)
JOIN events_storedevent event ON event.stream = recorded.stream AND event.event_id = recorded.event_id
CROSS JOIN LATERAL (SELECT ARRAY[event.type, split_part(event.type, '.', 1) || '.*', '*']::varchar[]) asked (names)
CROSS JOIN LATERAL (
    SELECT id FROM notifications_webhook
    WHERE owner_id = recorded.owner_id AND NOT everything AND disabled_at IS NULL AND event_types && names
    UNION ALL
    SELECT id FROM notifications_webhook WHERE everything AND disabled_at IS NULL AND event_types && names
) webhook
"""

# Idempotent: a repeated fan-out finds the existing deliveries.
ADD = """
INSERT INTO notifications_webhookdelivery (id, webhook_id, event_id, stream, state, due_at, attempts, created_at)
SELECT new.id, new.webhook_id, new.event_id, CASE WHEN webhook.ordered THEN event.stream END, 'pending', now(), 0, now()
FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[]) AS new (id, webhook_id, event_id)
JOIN notifications_webhook webhook ON webhook.id = new.webhook_id
JOIN events_storedevent event ON event.position = new.event_id
ON CONFLICT (webhook_id, event_id) DO NOTHING
RETURNING id
"""

# Serializes claims, so that their counts of running calls enforce the cap across processes. A claim takes milliseconds.
LOCK_CLAIM = "SELECT pg_advisory_xact_lock(hashtextextended('notifications.webhooks', 0))"

# A recursive query visits each webhook with pending deliveries by one step in the index webhook_delivery_due, however
# many are pending. It claims the oldest due deliveries of each, up to its cap. A failing webhook gets one at a time.
# A delivery of an ordered webhook waits for the earlier ones of its stream: those that are pending or have failed, and
# those that the fan-out has not made yet.
CLAIM = """
WITH RECURSIVE waiting AS (
    (SELECT webhook_id FROM notifications_webhookdelivery WHERE state = 'pending' ORDER BY webhook_id LIMIT 1)
    UNION ALL
    SELECT (SELECT later.webhook_id FROM notifications_webhookdelivery later
            WHERE later.state = 'pending' AND later.webhook_id > waiting.webhook_id ORDER BY later.webhook_id LIMIT 1)
    FROM waiting WHERE waiting.webhook_id IS NOT NULL
), due AS (
    SELECT oldest.id FROM waiting
    JOIN notifications_webhook webhook ON webhook.id = waiting.webhook_id AND webhook.disabled_at IS NULL
    CROSS JOIN LATERAL (
        SELECT id, due_at FROM notifications_webhookdelivery candidate
        WHERE webhook_id = webhook.id AND state = 'pending' AND due_at <= now()
          AND (candidate.stream IS NULL OR NOT EXISTS (
            SELECT 1 FROM notifications_webhookdelivery earlier
            WHERE earlier.webhook_id = candidate.webhook_id AND earlier.stream = candidate.stream
              AND earlier.event_id < candidate.event_id AND earlier.state IN ('pending', 'failed')
          ) AND NOT EXISTS (
            SELECT 1 FROM events_storedevent earlier JOIN events_delivery fan_out ON fan_out.event_id = earlier.position
            WHERE earlier.stream = candidate.stream AND earlier.position < candidate.event_id
              AND fan_out.subscriber = 'notifications.fan_out_to_webhooks' AND fan_out.replay_id IS NULL
              AND fan_out.state IN ('pending', 'dead')))
        ORDER BY due_at
        LIMIT greatest(0, CASE WHEN webhook.failing_since IS NULL THEN %(cap)s ELSE 1 END - (
            SELECT count(*) FROM notifications_webhookdelivery busy
            WHERE busy.webhook_id = webhook.id AND busy.lease IS NOT NULL AND busy.due_at > now()))
        FOR UPDATE SKIP LOCKED
    ) oldest
    ORDER BY oldest.due_at LIMIT %(limit)s
)
UPDATE notifications_webhookdelivery
SET lease = %(lease)s, due_at = now() + make_interval(secs => %(seconds)s), attempts = attempts + 1
WHERE id = ANY(ARRAY(SELECT id FROM due))
RETURNING id
"""

MORE_DUE = """
SELECT EXISTS (SELECT 1 FROM notifications_webhookdelivery
               WHERE webhook_id = ANY(%s) AND state = 'pending' AND due_at <= now())
"""

# Writes the outcome of each call whose lease is still valid, and an attempt row for it.
CONCLUDE = """
WITH result AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(delays)s::float8[], %(statuses)s::int[],
                         %(errors)s::text[], %(durations)s::int[])
                  AS result (id, state, delay, response_status, error, duration_ms)
), concluded AS (
    UPDATE notifications_webhookdelivery delivery
    SET state = result.state, lease = NULL, due_at = now() + make_interval(secs => result.delay)
    FROM result WHERE delivery.id = result.id AND delivery.lease = %(lease)s
    RETURNING delivery.id, delivery.webhook_id, delivery.attempts
), logged AS (
    INSERT INTO notifications_webhookattempt (delivery_id, number, at, response_status, error, duration_ms)
    SELECT id, attempts, now(), response_status, error, duration_ms FROM concluded JOIN result USING (id)
)
SELECT id FROM concluded
"""

# Locks rows in the order of their ids, so that concurrent transactions cannot deadlock. Skips healthy webhooks.
# After a long time without an attempt, `failing_since` starts again with the next failure.
UPDATE_HEALTH = """
UPDATE notifications_webhook webhook
SET failing_since = CASE
        WHEN result.answers THEN NULL
        WHEN failing_since IS NULL OR last_failure_at < now() - make_interval(secs => %(silence)s) THEN now()
        ELSE failing_since END,
    last_failure_at = CASE WHEN result.answers THEN last_failure_at ELSE now() END
FROM unnest(%(ids)s::uuid[], %(answers)s::bool[]) AS result (id, answers)
WHERE webhook.id = result.id AND webhook.id = ANY(ARRAY(
    SELECT id FROM notifications_webhook WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE))
  AND (NOT result.answers OR failing_since IS NOT NULL)
RETURNING webhook.id, failing_since < now() - make_interval(secs => %(patience)s)
"""

SWITCH_OFF = """
UPDATE notifications_webhook SET disabled_at = now(), disabled_reason = %s, updated_at = now()
WHERE id = ANY(%s) AND disabled_at IS NULL
RETURNING id, owner_id
"""

# The webhook becomes ordered, or is no longer: what is pending follows. What has failed before holds nothing.
REORDER = """
UPDATE notifications_webhookdelivery delivery
SET stream = CASE WHEN %(ordered)s THEN (SELECT stream FROM events_storedevent WHERE position = delivery.event_id) END
WHERE webhook_id = %(webhook)s AND (state = 'pending' OR NOT %(ordered)s AND stream IS NOT NULL)
"""

# Only what holds its stream; a delivery that is being sent now stays unchanged.
SKIP = """
UPDATE notifications_webhookdelivery SET state = 'skipped', lease = NULL
WHERE id = ANY(ARRAY(
    SELECT id FROM notifications_webhookdelivery
    WHERE id = ANY(%s) AND stream IS NOT NULL AND lease IS NULL
      AND (state = 'failed' OR state = 'pending' AND attempts > 0) ORDER BY id FOR UPDATE))
RETURNING id
"""

# Resets the attempts. Deliveries that are being sent now stay unchanged.
REDELIVER = """
UPDATE notifications_webhookdelivery SET state = 'pending', due_at = now(), attempts = 0, lease = NULL
WHERE id = ANY(ARRAY(
    SELECT id FROM notifications_webhookdelivery WHERE id = ANY(%s) AND lease IS NULL ORDER BY id FOR UPDATE))
RETURNING id
"""

# Uses the primary key: UUIDs of version 7 sort by time. The condition on `due_at` keeps deliveries that were
# redelivered recently, but not those that wait for a disabled webhook.
OLD = """
SELECT id FROM notifications_webhookdelivery
WHERE id < %(youngest)s AND due_at < %(before)s ORDER BY id LIMIT %(limit)s
"""

# Uses the unique index on (webhook, event).
OF_DELETED = """
SELECT delivery.id FROM notifications_webhookdelivery delivery
WHERE webhook_id = ANY(ARRAY(SELECT id FROM notifications_webhook WHERE deleted_at < %(before)s))
LIMIT %(limit)s
"""

DELETE_ATTEMPTS = "DELETE FROM notifications_webhookattempt WHERE delivery_id = ANY(%s)"

DELETE_DELIVERIES = "DELETE FROM notifications_webhookdelivery WHERE id = ANY(%s)"

DELETE_DELETED = """
DELETE FROM notifications_webhook webhook
WHERE deleted_at < %(before)s
  AND NOT EXISTS (SELECT 1 FROM notifications_webhookdelivery WHERE webhook_id = webhook.id)
"""
