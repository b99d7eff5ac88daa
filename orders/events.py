"""What happens to an order. No personal data: the log is for ever, an address is not."""

from uuid import UUID

import msgspec

from events import Event, Money


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """One line of an order, at the price of the day."""

    sku: str
    quantity: int
    unit_price: Money


class Goods(msgspec.Struct, frozen=True):
    """So much of one product of an order; a SKU stands in an order once."""

    sku: str
    quantity: int


class OrderCreated(Event, type="order.created", version="1.0", stream="order_id"):
    """The customer placed the order; neither stock nor money is held yet."""

    order_id: UUID
    customer_id: UUID
    items: tuple[Item, ...]
    total: Money


class OrderConfirmed(Event, type="order.confirmed", version="1.0", stream="order_id"):
    """Stock is committed and the money is ours; the warehouse may pack."""

    order_id: UUID
    total: Money


class OrderCancelled(Event, type="order.cancelled", version="1.0", stream="order_id"):
    """The order ends here. Where it was confirmed before, refund and restock follow."""

    order_id: UUID
    reason: str
    detail: str = ""
    was_confirmed: bool = False


class OrderShipped(Event, type="order.shipped", version="1.0", stream="order_id"):
    """A parcel is on its way. `complete`: with it everything that was ordered is."""

    order_id: UUID
    shipment_id: UUID
    items: tuple[Goods, ...]
    carrier: str
    tracking_number: str
    complete: bool


class OrderDelivered(Event, type="order.delivered", version="1.0", stream="order_id"):
    """The customer has everything that was ordered."""

    order_id: UUID


class OrderReturned(Event, type="order.returned", version="1.0", stream="order_id"):
    """The customer gives goods back; their restock and the refund follow. `complete`: nothing is left of the order."""

    order_id: UUID
    return_id: UUID
    items: tuple[Goods, ...]
    refund: Money
    reason: str
    complete: bool
