"""Orders, refunds and webhooks that are not finished."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from events.db.query import execute
from notifications.models import DisabledReason
from orderproject.observability.families import gauge
from orderproject.observability.gauges import MOST
from orders.models import RefundStatus

# Plan: the index on (status, id), from its oldest entry.
PENDING = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at))::float8, 0) FROM (
    SELECT created_at FROM orders_order WHERE status = 'pending' ORDER BY status, id LIMIT %s) pending
"""
# Plan: the partial index order_refund_open.
REFUNDS = """
SELECT refund_status, count(*) FROM (
    SELECT refund_status FROM orders_order WHERE refund_status IN ('pending', 'failed') LIMIT %s) open
GROUP BY refund_status
"""
# Plan: the partial index webhook_delivery_due.
WEBHOOKS = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at))::float8, 0) FROM (
    SELECT created_at FROM notifications_webhookdelivery WHERE state = 'pending' LIMIT %s) pending
"""
# The table has few rows.
DISABLED = """
SELECT disabled_reason, count(*) FROM notifications_webhook
WHERE disabled_at IS NOT NULL AND deleted_at IS NULL GROUP BY disabled_reason
"""


def business() -> Iterator[Metric]:
    ((pending, oldest),) = execute(PENDING, [MOST])
    yield gauge("orders_pending", "Orders that are neither confirmed nor cancelled.", [], [((), pending)])
    yield gauge("orders_pending_oldest_seconds", "Age of the oldest pending order.", [], [((), oldest)])
    refunds = {RefundStatus.PENDING.value: 0, RefundStatus.FAILED.value: 0} | dict(execute(REFUNDS, [MOST]))
    yield gauge(
        "orders_refunds_open", "Orders with money that is to be refunded; failed: an operator must repair it.",
        ["status"], [((status,), number) for status, number in refunds.items()],
    )  # fmt: skip


def webhooks() -> Iterator[Metric]:
    ((pending, oldest),) = execute(WEBHOOKS, [MOST])
    yield gauge("notifications_webhooks_pending", "Webhook deliveries that are pending.", [], [((), pending)])
    yield gauge(
        "notifications_webhooks_oldest_seconds", "Age of the oldest pending webhook delivery.", [], [((), oldest)]
    )
    disabled = {reason.value: 0 for reason in DisabledReason} | dict(execute(DISABLED, []))
    yield gauge(
        "notifications_webhooks_disabled", "Webhooks that are switched off, by reason.", ["reason"],
        [((reason or "owner",), number) for reason, number in disabled.items()],
    )  # fmt: skip
