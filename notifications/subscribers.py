"""The event subscribers of the notifications service: e-mails and the fan-out to webhooks."""

from collections.abc import Callable, Sequence
from typing import cast

from events import Event
from events.declare.queues import STREAMS
from events.declare.subscribers import Failures, GivenUp
from events.delivery.subscribe import subscribe
from notifications.events import NOTIFICATIONS, WebhookDisabled
from notifications.models import Kind
from notifications.services import Occasion, notify, notify_occasions, notify_webhook_owner, record_given_up
from notifications.webhooks import fan_out
from orders.events import (
    Goods,
    OrderCancelled,
    OrderConfirmed,
    OrderItemsCancelled,
    OrderReturnApproved,
    OrderReturned,
    OrderReturnRejected,
    OrderReturnRequested,
    OrderShipped,
)
from payments.events import PaymentRefunded


def _telling(kind: Kind, about: str) -> Callable[[GivenUp], None]:
    """What to do when such an e-mail is given up. `about`: the event's field that tells e-mails of an order apart."""
    return lambda lost: record_given_up(kind, getattr(lost.event, about), lost)


def _telling_of_refund(lost: GivenUp) -> None:
    """The e-mail about a refund: of a part of the payment, or of the whole order."""
    refunded = cast("PaymentRefunded", lost.event)
    record_given_up(Kind.REFUND, refunded.part or refunded.order_id, lost)


@subscribe(
    OrderConfirmed, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.CONFIRMATION, "order_id"),
)  # fmt: skip
def mail_confirmation(events: Sequence[OrderConfirmed]) -> Failures:
    """Sends the e-mail that confirms the order."""
    return _notify(Kind.CONFIRMATION, events)


@subscribe(
    OrderCancelled, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.CANCELLATION, "order_id"),
)  # fmt: skip
def mail_cancellation(events: Sequence[OrderCancelled]) -> Failures:
    """Sends the e-mail that says that the order was cancelled, and why."""
    return _notify(Kind.CANCELLATION, events)


@subscribe(
    OrderShipped, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.SHIPMENT, "shipment_id"),
)  # fmt: skip
def mail_shipment(events: Sequence[OrderShipped]) -> Failures:
    """Sends the e-mail with the contents and the tracking number of a parcel."""
    return _notify_occasions(
        Kind.SHIPMENT,
        [Occasion(one.order_id, one.shipment_id, _goods(one.items), {"shipment": one}) for one in events],
    )


@subscribe(
    OrderItemsCancelled, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.ITEMS_CANCELLED, "cancellation_id"),
)  # fmt: skip
def mail_items_cancelled(events: Sequence[OrderItemsCancelled]) -> Failures:
    """Tells the customer which items will not be shipped, and what will be refunded for them."""
    return _notify_occasions(
        Kind.ITEMS_CANCELLED,
        [Occasion(one.order_id, one.cancellation_id, _goods(one.items), {"cancelled": one}) for one in events],
    )


@subscribe(
    OrderReturned, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.RETURN, "return_id"),
)  # fmt: skip
def mail_return(events: Sequence[OrderReturned]) -> Failures:
    """Tells the customer what is returned, and what is refunded."""
    return _notify_occasions(
        Kind.RETURN,
        [Occasion(one.order_id, one.return_id, _goods(one.items), {"taken": one}) for one in events],
    )


@subscribe(
    OrderReturnRequested, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.RETURN_REQUESTED, "return_id"),
)  # fmt: skip
def mail_return_requested(events: Sequence[OrderReturnRequested]) -> Failures:
    """Tells the customer that the request to return goods has arrived, and that the shop will answer it."""
    return _notify_occasions(
        Kind.RETURN_REQUESTED, [Occasion(one.order_id, one.return_id, _goods(one.items)) for one in events]
    )


@subscribe(
    OrderReturnApproved, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.RETURN_APPROVED, "return_id"),
)  # fmt: skip
def mail_return_approved(events: Sequence[OrderReturnApproved]) -> Failures:
    """Tells the customer to send the goods."""
    return _notify_occasions(Kind.RETURN_APPROVED, [Occasion(one.order_id, one.return_id) for one in events])


@subscribe(
    OrderReturnRejected, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling(Kind.RETURN_REJECTED, "return_id"),
)  # fmt: skip
def mail_return_rejected(events: Sequence[OrderReturnRejected]) -> Failures:
    """Tells the customer that the shop does not take the goods back, and why."""
    return _notify_occasions(
        Kind.RETURN_REJECTED, [Occasion(one.order_id, one.return_id, facts={"rejected": one}) for one in events]
    )


@subscribe(
    PaymentRefunded, queue=NOTIFICATIONS, batch=250, lease=300.0, atomic=False, breaker="smtp",
    given_up=_telling_of_refund,
)  # fmt: skip
def mail_refund(events: Sequence[PaymentRefunded]) -> Failures:
    """Tells the customer that money has been refunded; earlier mails only say that it will be."""
    return _notify_occasions(
        Kind.REFUND,
        [Occasion(one.order_id, one.part or one.order_id, facts={"refund": one}) for one in events],
    )


@subscribe(*fan_out.event_types().values(), queue=STREAMS, batch=200, wanted=fan_out.is_wanted, replay=True)
def fan_out_to_webhooks(events: Sequence[Event], keys: Sequence[str]) -> None:
    """Creates one delivery per subscribed webhook. The relay skips this subscriber while no webhook wants the event.

    A replay sends past events to the webhooks that subscribe to them now, and have no delivery of them.
    """
    fan_out.fan_out(events, keys)


@subscribe(WebhookDisabled, queue=NOTIFICATIONS, atomic=False, breaker="smtp")
def mail_webhook_owner(event: WebhookDisabled, key: str) -> None:
    """Sends the owner the e-mail that says that the webhook was switched off, and why."""
    notify_webhook_owner(event.webhook_id, key)


def _notify(kind: Kind, events: Sequence[OrderConfirmed | OrderCancelled]) -> Failures:
    failures = notify(kind, [event.order_id for event in events])
    return {place: failures[event.order_id] for place, event in enumerate(events) if event.order_id in failures}


def _goods(items: Sequence[Goods]) -> list[tuple[str, int]]:
    return [(item.sku, item.quantity) for item in items]


def _notify_occasions(kind: Kind, occasions: Sequence[Occasion]) -> Failures:
    failures = notify_occasions(kind, occasions)
    return {place: failures[one.about] for place, one in enumerate(occasions) if one.about in failures}
