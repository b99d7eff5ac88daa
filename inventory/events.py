"""The events of stock, on the stream of an order (`inventory:<order id>`) or of a product (`inventory:<SKU>`)."""

from typing import ClassVar
from uuid import UUID

import msgspec

from events import Event, Tone
from events.declare.queues import declare_queue

INVENTORY = declare_queue("inventory")


class Allocation(msgspec.Struct, frozen=True, rename="camel"):
    """A quantity of a product from one warehouse."""

    headline: ClassVar[tuple[str, ...]] = ("quantity", "sku")

    sku: str
    warehouse: str
    quantity: int


class Shortage(msgspec.Struct, frozen=True, rename="camel"):
    """A product of which more was wanted than is available."""

    headline: ClassVar[tuple[str, ...]] = ("sku",)

    sku: str
    wanted: int
    available: int


class InventoryReserved(Event, type="inventory.reserved", version="1.0", stream="order_id"):
    """Stock is held for the order."""

    order_id: UUID
    allocations: tuple[Allocation, ...]


class InventoryRejected(Event, type="inventory.rejected", version="1.0", stream="order_id", tone=Tone.BAD):
    """Not enough in all warehouses together; nothing is held."""

    order_id: UUID
    shortages: tuple[Shortage, ...]


class InventoryReleased(Event, type="inventory.released", version="1.0", stream="order_id"):
    """The hold ended. The stock is available to other orders again."""

    order_id: UUID
    reason: str


class InventoryCommitted(Event, type="inventory.committed", version="1.0", stream="order_id", tone=Tone.GOOD):
    """The goods have left the stock: they belong to the order."""

    order_id: UUID
    allocations: tuple[Allocation, ...]


class InventoryRestocked(Event, type="inventory.restocked", version="1.0", stream="order_id"):
    """Goods of a cancelled or returned order are on hand again, in the warehouses that the allocations name."""

    order_id: UUID
    allocations: tuple[Allocation, ...]


class InventoryWrittenOff(Event, type="inventory.written_off", version="1.0", stream="order_id", tone=Tone.BAD):
    """Returned goods arrived in these warehouses and cannot be sold again. No stock increases."""

    order_id: UUID
    return_id: UUID
    allocations: tuple[Allocation, ...]


class InventoryLow(Event, type="inventory.low", version="1.0", stream="sku", tone=Tone.BAD):
    """A hold, or a correction, took the product below its threshold."""

    sku: str
    available: int
    threshold: int
