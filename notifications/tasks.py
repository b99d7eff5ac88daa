"""The notifications service's own tasks: webhooks are sent, looked after and forgotten."""

from celery import shared_task

from events import Queue
from events.routing import assign
from notifications.webhooks.endpoints import switch_off_unentitled
from notifications.webhooks.fan_out import SEND
from notifications.webhooks.retention import prune
from notifications.webhooks.sending import send_due

LOOK_AFTER = "notifications.look_after_webhooks"

assign(SEND, Queue.NOTIFICATIONS)
assign(LOOK_AFTER, Queue.STREAMS)


@shared_task(name=SEND)
def send_webhooks() -> None:
    """Sends what is due to webhooks. Safe to run several times at once."""
    send_due()


@shared_task(name=LOOK_AFTER)
def look_after_webhooks() -> None:
    """Switches off whose owner may no longer listen, and forgets old deliveries. Safe to run twice at once."""
    switch_off_unentitled()
    prune()
