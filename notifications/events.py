"""The events of e-mails, on the stream of their order, and of webhooks."""

from uuid import UUID

from events import Event, Tone
from events.declare.queues import declare_queue

NOTIFICATIONS = declare_queue("notifications")


class NotificationSent(Event, type="notification.sent", version="1.0", stream="order_id", tone=Tone.GOOD):
    """A message of this kind is on its way to the customer."""

    order_id: UUID
    notification_id: UUID
    kind: str


class NotificationFailed(Event, type="notification.failed", version="1.1", stream="order_id", tone=Tone.BAD):
    """A message of this kind could not be sent in so many attempts. It is sent again only if staff retry it.

    Recorded once, after the last attempt. Events of version 1.0 were recorded for each attempt.
    """

    order_id: UUID
    notification_id: UUID
    kind: str
    error: str
    attempts: int = 1


class WebhookTested(Event, type="webhook.tested", version="1.0", stream="webhook_id"):
    """The webhook's owner requested a test event. It is sent to this webhook only."""

    webhook_id: UUID


class WebhookDisabled(Event, type="webhook.disabled", version="1.0", stream="webhook_id"):
    """The webhook was switched off by the system or by staff, not by its owner."""

    webhook_id: UUID
    owner_id: UUID
    reason: str
