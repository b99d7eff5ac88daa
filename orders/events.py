"""What happens to an order. No personal data: the log is for ever, an address is not."""

from uuid import UUID

import msgspec

from events import Event, Money


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """One line of an order, at the price of the day."""

    sku: str
    quantity: int
    unit_price: Money


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
