"""The statements on notifications and webhooks that matter for speed, with the plan that they rely on."""

from events.keyed import Keyed
from events.sql import run

__all__ = ["run"]

# What is there already stays as it is, and its id is not among those that come back.
ADD_LETTERS = Keyed("""
INSERT INTO notifications_notification (id, order_id, about, kind, recipient, subject, text, html, created_at, error)
SELECT id, order_id, about, %s, recipient, subject, text, html, now(), ''
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
     AS letter (id, order_id, about, recipient, subject, text, html)
ON CONFLICT (order_id, kind, about) DO NOTHING
RETURNING id
""")

# By the unique index on (order, kind, about), of which an order has a handful.
UNSENT = """
SELECT id, order_id, about, recipient, subject, text, html FROM notifications_notification
WHERE order_id = ANY(%s) AND kind = %s AND about = ANY(%s) AND sent_at IS NULL
"""

# Both by primary key.
SENT = Keyed("""
UPDATE notifications_notification SET sent_at = now(), error = '' WHERE id = ANY(ARRAY(SELECT unnest(%s::uuid[])))
""")
UNSENDABLE = """
UPDATE notifications_notification SET error = outcome.error FROM unnest(%s::uuid[], %s::text[]) AS outcome (id, error)
WHERE notifications_notification.id = outcome.id
"""

# --- webhooks --------------------------------------------------------------------------------------------------

# What any webhook asks for. As many rows as there are webhooks, a few times a minute per process.
ASKED = """
SELECT DISTINCT everything, unnest(event_types) FROM notifications_webhook WHERE disabled_at IS NULL
"""

# Each event by its stream in the log, beside the webhooks of its owner (by the index of the owner) and those that
# hear everything (by the partial index of those).
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

# An event that is fanned out twice finds its deliveries there.
ADD = """
INSERT INTO notifications_webhookdelivery (id, webhook_id, event_id, state, due_at, attempts, created_at)
SELECT id, webhook_id, event_id, 'pending', now(), 0, now()
FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[]) AS new (id, webhook_id, event_id)
ON CONFLICT (webhook_id, event_id) DO NOTHING
RETURNING id
"""

# One claim at a time counts what is under way, so that the cap holds across processes; a claim takes milliseconds.
LOCK_CLAIM = "SELECT pg_advisory_xact_lock(hashtextextended('notifications.webhooks', 0))"

# From webhook to webhook along webhook_delivery_due, one step each, however much is waiting behind any of them; of
# each the oldest that are due, as many as its cap leaves. One that is failing is tried by one delivery at a time.
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
        SELECT id, due_at FROM notifications_webhookdelivery
        WHERE webhook_id = webhook.id AND state = 'pending' AND due_at <= now()
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

# The outcome of each call, as far as its lease still holds, and a line in the log for it.
CONCLUDE = """
WITH heard AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(delays)s::float8[], %(statuses)s::int[],
                         %(errors)s::text[], %(durations)s::int[])
                  AS heard (id, state, delay, response_status, error, duration_ms)
), concluded AS (
    UPDATE notifications_webhookdelivery delivery
    SET state = heard.state, lease = NULL, due_at = now() + make_interval(secs => heard.delay)
    FROM heard WHERE delivery.id = heard.id AND delivery.lease = %(lease)s
    RETURNING delivery.id, delivery.webhook_id, delivery.attempts
), told AS (
    INSERT INTO notifications_webhookattempt (delivery_id, number, at, response_status, error, duration_ms)
    SELECT id, attempts, now(), response_status, error, duration_ms FROM concluded JOIN heard USING (id)
)
SELECT id FROM concluded
"""

# Locked in the order of ids, so that two that conclude at once cannot deadlock. A webhook that is well costs nothing.
# A long silence between two failures begins anew: nothing was tried in it.
JUDGE = """
UPDATE notifications_webhook webhook
SET failing_since = CASE
        WHEN heard.answers THEN NULL
        WHEN failing_since IS NULL OR last_failure_at < now() - make_interval(secs => %(silence)s) THEN now()
        ELSE failing_since END,
    last_failure_at = CASE WHEN heard.answers THEN last_failure_at ELSE now() END
FROM unnest(%(ids)s::uuid[], %(answers)s::bool[]) AS heard (id, answers)
WHERE webhook.id = heard.id AND webhook.id = ANY(ARRAY(
    SELECT id FROM notifications_webhook WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE))
  AND (NOT heard.answers OR failing_since IS NOT NULL)
RETURNING webhook.id, failing_since < now() - make_interval(secs => %(patience)s)
"""

SWITCH_OFF = """
UPDATE notifications_webhook SET disabled_at = now(), disabled_reason = %s, updated_at = now()
WHERE id = ANY(%s) AND disabled_at IS NULL
RETURNING id, owner_id
"""

# All its attempts again. What is on its way at this instant stays so.
REDELIVER = """
UPDATE notifications_webhookdelivery SET state = 'pending', due_at = now(), attempts = 0, lease = NULL
WHERE id = ANY(ARRAY(
    SELECT id FROM notifications_webhookdelivery WHERE id = ANY(%s) AND lease IS NULL ORDER BY id FOR UPDATE))
RETURNING id
"""

# By the key, which is a UUID of version 7 and so in the order of time. What was asked for again lately has a young
# `due_at`; what waits for a webhook that is switched off has not.
OLD = """
SELECT id FROM notifications_webhookdelivery
WHERE id < %(youngest)s AND due_at < %(before)s ORDER BY id LIMIT %(limit)s
"""

# By the unique index on webhook and event.
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
