"""The events of an order. They hold no personal data except the reasons that people wrote (`personal`)."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec

from events import Event, ForeignEvent, Money, Tone
from events.declare.queues import declare_queue

ORDERS = declare_queue("orders")
CARRIER = "carrier"
"""The source of tracking messages, as the settings of the inbox name it."""
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
"""As the fields of a shipment."""


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """One line of an order, at the price when the order was placed."""

    headline: ClassVar[tuple[str, ...]] = ("quantity", "sku")

    sku: str
    quantity: int
    unit_price: Money


class Goods(msgspec.Struct, frozen=True):
    """A quantity of one product of an order. An order has at most one line per SKU."""

    headline: ClassVar[tuple[str, ...]] = ("quantity", "sku")

    sku: str
    quantity: int


class OrderCreated(Event, type="order.created", version="1.0", stream="order_id"):
    """The customer placed the order. Neither stock nor money is held yet."""

    order_id: UUID
    customer_id: UUID
    items: tuple[Item, ...]
    total: Money


class OrderConfirmed(Event, type="order.confirmed", version="1.0", stream="order_id", tone=Tone.GOOD):
    """Stock is committed and the money is ours; the warehouse may pack."""

    order_id: UUID
    total: Money


class OrderCancelled(
    Event, type="order.cancelled", version="1.2", stream="order_id", tone=Tone.BAD, personal=("reason", "detail")
):
    """The order ends here. Where it was confirmed before, restock and the refund of `refund` follow.

    `code` says why the shop cancelled, such as `card_declined`. It is empty where a person did: `reason` is their text.
    """

    order_id: UUID
    reason: str
    detail: str = ""
    was_confirmed: bool = False
    refund: Money | None = None
    code: str = ""


class OrderShipped(Event, type="order.shipped", version="1.0", stream="order_id", tone=Tone.GOOD):
    """A parcel is on its way. `complete`: nothing is left to ship."""

    order_id: UUID
    shipment_id: UUID
    items: tuple[Goods, ...]
    carrier: str
    tracking_number: str
    complete: bool


class OrderItemsCancelled(
    Event, type="order.items_cancelled", version="1.0", stream="order_id", tone=Tone.BAD, personal=("reason",)
):
    """Unshipped items will not be shipped; their refund and restock follow. `complete`: nothing is left to ship."""

    order_id: UUID
    cancellation_id: UUID
    items: tuple[Goods, ...]
    refund: Money
    reason: str
    complete: bool


class OrderDelivered(Event, type="order.delivered", version="1.0", stream="order_id", tone=Tone.GOOD):
    """The customer has everything that was shipped."""

    order_id: UUID


class OrderReturnRequested(
    Event, type="order.return_requested", version="1.0", stream="order_id", personal=("reason",)
):
    """The customer asks to return goods. Staff approve or reject it."""

    order_id: UUID
    return_id: UUID
    items: tuple[Goods, ...]
    reason: str


class OrderReturnApproved(Event, type="order.return_approved", version="1.0", stream="order_id", tone=Tone.GOOD):
    """The customer may send the goods."""

    order_id: UUID
    return_id: UUID


class OrderReturnRejected(
    Event, type="order.return_rejected", version="1.0", stream="order_id", tone=Tone.BAD, personal=("reason",)
):
    """The return ends here. `reason` is what the customer is told."""

    order_id: UUID
    return_id: UUID
    reason: str


class Received(msgspec.Struct, frozen=True, rename="camel"):
    """A quantity of a product that arrived. `condition`: `restock` (it can be sold again) or `write_off`."""

    headline: ClassVar[tuple[str, ...]] = ("quantity", "sku", "condition")

    sku: str
    quantity: int
    condition: str


class OrderReturnReceived(Event, type="order.return_received", version="1.0", stream="order_id"):
    """The warehouse has looked at what arrived. `order.returned` follows, unless nothing did."""

    order_id: UUID
    return_id: UUID
    items: tuple[Received, ...]
    warehouse: str


class OrderReturned(Event, type="order.returned", version="1.0", stream="order_id", personal=("reason",)):
    """The customer's goods came back; their restock and the refund follow. `complete`: nothing is left of the order."""

    order_id: UUID
    return_id: UUID
    items: tuple[Goods, ...]
    refund: Money
    reason: str
    complete: bool


class OrderRefundRequested(
    Event, type="order.refund_requested", version="1.0", stream="order_id", personal=("reason",)
):
    """Staff give money back without goods coming back; the refund follows."""

    order_id: UUID
    refund_id: UUID
    amount: Money
    reason: str


class OrderReturnRefunded(Event, type="order.return_refunded", version="1.0", stream="order_id", tone=Tone.GOOD):
    """The return is over: the money is on its way to the customer, and the goods are where they belong."""

    order_id: UUID
    return_id: UUID
    refund: Money


class ParcelDelivered(
    ForeignEvent, type="parcel.delivered", version="1.0", stream="tracking_number", source=CARRIER, tone=Tone.GOOD
):
    """A carrier has handed a parcel to the customer."""

    carrier: Label
    tracking_number: Label
    delivered_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
