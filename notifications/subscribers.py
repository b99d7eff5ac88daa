"""Which events customers are told of."""

from collections.abc import Sequence

from events import Failures, Queue, subscribe
from notifications.models import Kind
from notifications.services import notify
from orders.events import OrderCancelled, OrderConfirmed


@subscribe(OrderConfirmed, queue=Queue.NOTIFICATIONS, batch=50, atomic=False, breaker="smtp")
def mail_confirmation(events: Sequence[OrderConfirmed]) -> Failures:
    """Tells the customer that the order stands."""
    return _notify(Kind.CONFIRMATION, events)


@subscribe(OrderCancelled, queue=Queue.NOTIFICATIONS, batch=50, atomic=False, breaker="smtp")
def mail_cancellation(events: Sequence[OrderCancelled]) -> Failures:
    """Tells the customer that the order did not come about, and why."""
    return _notify(Kind.CANCELLATION, events)


def _notify(kind: Kind, events: Sequence[OrderConfirmed | OrderCancelled]) -> Failures:
    failures = notify(kind, [event.order_id for event in events])
    return {place: failures[event.order_id] for place, event in enumerate(events) if event.order_id in failures}
