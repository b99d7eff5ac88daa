"""What customers were told, on the stream of their order; and what became of their webhooks."""

from uuid import UUID

from events import Event


class NotificationSent(Event, type="notification.sent", version="1.0", stream="order_id"):
    """A message of this kind is on its way to the customer."""

    order_id: UUID
    notification_id: UUID
    kind: str


class NotificationFailed(Event, type="notification.failed", version="1.0", stream="order_id"):
    """A message of this kind could not be sent; it will be tried again."""

    order_id: UUID
    notification_id: UUID
    kind: str
    error: str


class WebhookTested(Event, type="webhook.tested", version="1.0", stream="webhook_id"):
    """The webhook's owner asked for an event, to see it arrive. It goes to that webhook alone."""

    webhook_id: UUID


class WebhookDisabled(Event, type="webhook.disabled", version="1.0", stream="webhook_id"):
    """The webhook was switched off, and not by its owner."""

    webhook_id: UUID
    owner_id: UUID
    reason: str
