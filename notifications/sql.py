"""The statement on notifications that matters for speed."""

from events.sql import run

__all__ = ["run"]

SENT = """
UPDATE notifications_notification SET sent_at = outcome.sent_at, error = outcome.error
FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[]) AS outcome (id, sent_at, error)
WHERE notifications_notification.id = outcome.id
"""
