"""The periodic tasks of the notifications service: sending webhooks and cleaning them up."""

from celery import shared_task

from events.declare.queues import STREAMS
from events.declare.routing import assign
from notifications.events import NOTIFICATIONS
from notifications.webhooks.endpoints import switch_off_unentitled
from notifications.webhooks.fan_out import SEND
from notifications.webhooks.retention import prune
from notifications.webhooks.sending import send_due

LOOK_AFTER = "notifications.look_after_webhooks"

assign(SEND, NOTIFICATIONS)
assign(LOOK_AFTER, STREAMS)


@shared_task(name=SEND)
def send_webhooks() -> int:
    """Sends the webhook deliveries that are due; returns how many it tried. Safe to run concurrently."""
    return send_due()


@shared_task(name=LOOK_AFTER)
def look_after_webhooks() -> int:
    """Disables webhooks whose owners lost their permission and deletes old deliveries. Safe to run concurrently.

    Returns how many it disabled or deleted.
    """
    return switch_off_unentitled() + prune()
