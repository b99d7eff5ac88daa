"""Which events customers are told of, by mail and by webhook."""

from collections.abc import Sequence

from events import Event, Failures, Queue, subscribe
from notifications.events import WebhookDisabled
from notifications.models import Kind
from notifications.services import Occasion, notify, tell, tell_owner
from notifications.webhooks import fan_out
from orders.events import Goods, OrderCancelled, OrderConfirmed, OrderReturned, OrderShipped


@subscribe(OrderConfirmed, queue=Queue.NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp")
def mail_confirmation(events: Sequence[OrderConfirmed]) -> Failures:
    """Tells the customer that the order stands."""
    return _notify(Kind.CONFIRMATION, events)


@subscribe(OrderCancelled, queue=Queue.NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp")
def mail_cancellation(events: Sequence[OrderCancelled]) -> Failures:
    """Tells the customer that the order did not come about, and why."""
    return _notify(Kind.CANCELLATION, events)


@subscribe(OrderShipped, queue=Queue.NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp")
def mail_shipment(events: Sequence[OrderShipped]) -> Failures:
    """Tells the customer what is in the parcel, and how to follow it."""
    return _tell(
        Kind.SHIPMENT,
        [Occasion(one.order_id, one.shipment_id, _goods(one.items), {"shipment": one}) for one in events],
    )


@subscribe(OrderReturned, queue=Queue.NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp")
def mail_return(events: Sequence[OrderReturned]) -> Failures:
    """Tells the customer what is taken back, and what is refunded."""
    return _tell(
        Kind.RETURN,
        [Occasion(one.order_id, one.return_id, _goods(one.items), {"taken": one}) for one in events],
    )


@subscribe(*fan_out.event_types().values(), queue=Queue.STREAMS, batch=200, wanted=fan_out.is_wanted)
def fan_out_to_webhooks(events: Sequence[Event], keys: Sequence[str]) -> None:
    """One delivery for each webhook that asks for the event; none is made, and this not called, while nobody asks."""
    fan_out.fan_out(events, keys)


@subscribe(WebhookDisabled, queue=Queue.NOTIFICATIONS, atomic=False, breaker="smtp")
def mail_webhook_owner(event: WebhookDisabled, key: str) -> None:
    """Tells the owner that the webhook was switched off, and why."""
    tell_owner(event.webhook_id, key)


def _notify(kind: Kind, events: Sequence[OrderConfirmed | OrderCancelled]) -> Failures:
    failures = notify(kind, [event.order_id for event in events])
    return {place: failures[event.order_id] for place, event in enumerate(events) if event.order_id in failures}


def _goods(items: Sequence[Goods]) -> list[tuple[str, int]]:
    return [(item.sku, item.quantity) for item in items]


def _tell(kind: Kind, occasions: Sequence[Occasion]) -> Failures:
    failures = tell(kind, occasions)
    return {place: failures[one.about] for place, one in enumerate(occasions) if one.about in failures}
