"""The JSON types of returns. The OpenAPI schema is generated from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from msgspec import Meta

from events import Money
from orders import models
from orders.api.fields import Reason, Sku
from orders.api.serializers import Order, SomeGoods
from orders.events import Received
from web.typed import convert
from web.unprocessable import Unprocessable

ReturnStatus = Annotated[str, Meta(extra_json_schema={"enum": models.ReturnStatus.values})]
WarehouseCode = Annotated[str, Meta(min_length=1, max_length=20, examples=["BER"])]
Condition = Annotated[
    Literal["restock", "write_off"],
    Meta(description="`restock`: it can be sold again; `write_off`: it cannot", extra_json_schema={"type": "string"}),
]
Arrived = Annotated[int, Meta(ge=0, le=10_000)]


# --- in ------------------------------------------------------------------------------------------------------


class NewReturn(SomeGoods, frozen=True, forbid_unknown_fields=True):
    """What the customer wants to return, and why."""

    reason: Reason


class Rejection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a return is rejected. The customer is told."""

    reason: Reason


class ReceivedItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quantity of a product that arrived in one condition."""

    sku: Sku
    quantity: Arrived
    condition: Condition


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What arrived of a return, and where: each SKU and condition once. Without items, nothing arrived."""

    items: Annotated[list[ReceivedItem], Meta(max_length=1000)]
    warehouse: WarehouseCode

    @classmethod
    def of(cls, data: Any) -> Self:
        """Validates `data`. Raises msgspec's or REST framework's ValidationError, which names the invalid field."""
        receipt = convert(data, cls)
        seen: set[tuple[str, str]] = set()
        for index, item in enumerate(receipt.items):
            if (item.sku, item.condition) in seen:
                message = f"This SKU occurs more than once as {item.condition}. Send one item with their sum."
                raise Unprocessable({"items": {str(index): {"sku": [message]}}})
            seen.add((item.sku, item.condition))
        return receipt

    @property
    def pieces(self) -> list[Received]:
        return [Received(sku=item.sku, quantity=item.quantity, condition=item.condition) for item in self.items]


# --- out -----------------------------------------------------------------------------------------------------


class ReturnedItem(msgspec.Struct, frozen=True, rename="camel"):
    """What was requested of one product, and what the warehouse did with the pieces that arrived."""

    sku: str
    quantity: int
    restocked: int
    written_off: int


class Return(msgspec.Struct, frozen=True, rename="camel"):
    """A return. `refund` is the price of what was requested; once it is received, of what arrived."""

    id: UUID
    order_id: UUID
    status: ReturnStatus
    items: list[ReturnedItem]
    reason: str
    reject_reason: str | None
    warehouse: str | None
    refund: Money
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, taken: models.Return, **more: Any) -> Self:
        return cls(
            id=taken.id,
            order_id=taken.order_id,
            status=taken.status,
            items=[_item(line) for line in taken.lines.all()],
            reason=taken.reason,
            reject_reason=taken.reject_reason or None,
            warehouse=taken.warehouse or None,
            refund=taken.money,
            created_at=taken.created_at,
            updated_at=taken.updated_at,
            **more,
        )


class OrderReturn(Return, frozen=True, rename="camel"):
    """A return, and its order after the request."""

    order: Order


def _item(line: models.ReturnLine) -> ReturnedItem:
    return ReturnedItem(line.line.sku, line.quantity, line.restocked, line.written_off)


def etag(taken: models.Return) -> str:
    """A return changes with its status only, and never has the same status twice."""
    return f'"{taken.status}"'
