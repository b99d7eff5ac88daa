"""The event subscribers of the orders service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from events import Backoff
from events.declare.queues import STREAMS
from events.delivery.subscribe import subscribe
from events.log.context import acting
from orders.events import ORDERS, OrderCancelled, OrderConfirmed, OrderReturned, ParcelDelivered
from orders.fulfilment.parcels import deliver_parcel
from orders.models import DailySales
from orders.sales import Sold, tally
from orders.selectors import confirmed_among, totals_of
from orders.services import follow_refunds
from orders.sql import add_daily_sales
from payments.events import PaymentRefunded, PaymentRefundFailed


@subscribe(
    OrderConfirmed, OrderCancelled, OrderReturned, PaymentRefunded,
    queue=STREAMS, batch=1000, replay=True, read_model=DailySales,
)  # fmt: skip
def daily_sales(events: Sequence[Sold], times: Sequence[datetime], build: int) -> None:
    """Adds confirmed, cancelled and returned orders, and refunds, to the daily sales, by day and currency."""
    totals = totals_of([event.order_id for event in events if isinstance(event, OrderCancelled)])
    sold = confirmed_among([event.order_id for event in events if isinstance(event, PaymentRefunded)])
    add_daily_sales(build, tally(events, times, totals, sold))


@subscribe(PaymentRefunded, PaymentRefundFailed, queue=ORDERS, batch=200)
def refund_status(events: Sequence[PaymentRefunded | PaymentRefundFailed]) -> None:
    """Notes on each order whether the money that is due is back, for the lists and the dashboard of the admin."""
    follow_refunds([event.order_id for event in events])


@subscribe(ParcelDelivered, queue=ORDERS, retry=Backoff(base=30, cap=3600, attempts=12))
def parcel_delivered(event: ParcelDelivered) -> None:
    """Notes that a parcel was delivered, and with the last one the order. Waits some hours for an unknown parcel."""
    with acting(f"carrier:{event.carrier}"):
        deliver_parcel(event.carrier, event.tracking_number, event.delivered_at)
