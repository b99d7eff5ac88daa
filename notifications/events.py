"""What customers were told, on the stream of their order."""

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
