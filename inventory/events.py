"""What happens to stock: on the stream of an order (`inventory:<order id>`) or of a product (`inventory:<SKU>`)."""

from uuid import UUID

import msgspec

from events import Event


class Allocation(msgspec.Struct, frozen=True, rename="camel"):
    """So much of a product, from this warehouse."""

    sku: str
    warehouse: str
    quantity: int


class Shortage(msgspec.Struct, frozen=True, rename="camel"):
    """So much was wanted, and so much is there."""

    sku: str
    wanted: int
    available: int


class InventoryReserved(Event, type="inventory.reserved", version="1.0", stream="order_id"):
    """Goods are held for the order."""

    order_id: UUID
    allocations: tuple[Allocation, ...]


class InventoryRejected(Event, type="inventory.rejected", version="1.0", stream="order_id"):
    """Not enough in all warehouses together; nothing is held."""

    order_id: UUID
    shortages: tuple[Shortage, ...]


class InventoryReleased(Event, type="inventory.released", version="1.0", stream="order_id"):
    """The hold is over; others may have the goods."""

    order_id: UUID
    reason: str


class InventoryCommitted(Event, type="inventory.committed", version="1.0", stream="order_id"):
    """The goods have left the stock: they belong to the order."""

    order_id: UUID
    allocations: tuple[Allocation, ...]


class InventoryRestocked(Event, type="inventory.restocked", version="1.0", stream="order_id"):
    """Goods of a cancelled or returned order are back where they came from."""

    order_id: UUID
    allocations: tuple[Allocation, ...]


class InventoryLow(Event, type="inventory.low", version="1.0", stream="sku"):
    """A hold, or a correction, took the product below its threshold."""

    sku: str
    available: int
    threshold: int
