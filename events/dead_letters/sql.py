"""SQL statements of the operators' actions on dead letters."""

# Plan: an index scan on delivery_dead, then the attempts of each delivery by index. Attempts are ordered by time,
# because their numbers restart after a retry.
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

# A group, batch by batch in the order of ids, so that a delivery that dies again meanwhile is not retried twice.
DEAD_OF_GROUP = f"""
SELECT delivery.id {_DEAD_WITH_LAST_ERROR}
  AND delivery.subscriber = %(subscriber)s AND coalesce(last.error_type, '') = %(error_type)s
  AND delivery.id > %(after)s ORDER BY delivery.id LIMIT %(limit)s
"""

# RETRY and DISCARD lock rows in the order of ids, so that concurrent actions cannot deadlock.
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
