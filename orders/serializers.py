"""Orders on the wire: what clients send, checked, and what they get. The OpenAPI schema is made of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self, cast
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError as Invalid
from django.core.validators import validate_email
from msgspec import Meta
from rest_framework.exceptions import ValidationError

from events import Money
from events.models import StoredEvent
from events.typed import convert
from events.unprocessable import Unprocessable
from orders import models
from orders.events import Goods
from orders.evolve import LineState
from orders.selectors import Past
from orders.services import Placement, Wanted

Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3, description="ISO 4217", examples=["EUR"])]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", max_length=2, description="ISO 3166-1 alpha-2", examples=["DE"])]
Token = Annotated[
    str, Meta(pattern="^[!-~]{1,255}$(?!\n)", description="The processor's, never a card", examples=["tok_visa"])
]
Email = Annotated[str, Meta(max_length=254, extra_json_schema={"format": "email"}, examples=["a@example.com"])]
Text = Annotated[str, Meta(max_length=200)]
Sku = Annotated[str, Meta(min_length=1, max_length=64, examples=["MUG-RED"])]
Quantity = Annotated[int, Meta(ge=1, le=10_000)]
Status = Annotated[str, Meta(extra_json_schema={"enum": models.Status.values})]
PAYMENT_STATUS = ["pending", "authorized", "succeeded", "failed", "voided", "partially_refunded", "refunded"]
PaymentStatus = Annotated[str, Meta(extra_json_schema={"enum": PAYMENT_STATUS})]
Reason = Annotated[str, Meta(min_length=1, max_length=100, examples=["ordered by mistake"])]
Carrier = Annotated[str, Meta(min_length=1, max_length=100, examples=["DHL"])]
TrackingNumber = Annotated[str, Meta(min_length=1, max_length=100, examples=["JD014600003828"])]


# --- in ------------------------------------------------------------------------------------------------------


class NewItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One product; its price is the catalogue's to say."""

    sku: Sku
    quantity: Quantity


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where the goods go."""

    name: Text
    line1: Text
    city: Text
    postal_code: Text
    country: Country


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An order as the customer asks for it. A SKU may stand in it once."""

    currency: Currency
    email: Email
    payment_token: Token
    shipping_address: Address
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=500)]

    @classmethod
    def of(cls, data: Any) -> Self:
        """Raises ValidationError, msgspec's or the framework's, with the place of what is wrong."""
        order = convert(data, cls)
        try:
            validate_email(order.email)
        except Invalid as error:
            raise ValidationError({"email": [error.message]}) from error
        _check_doubles(order.items)
        return order

    def placement(self, customer_id: UUID) -> Placement:
        return Placement(
            customer_id=customer_id,
            currency=self.currency,
            email=self.email,
            payment_token=self.payment_token,
            shipping_address=msgspec.to_builtins(self.shipping_address),
            items=[Wanted(item.sku, item.quantity) for item in self.items],
        )


class KeyedOrder(NewOrder, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One of many orders in a call."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)]


class NewOrders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many orders, each under an idempotency key of its own."""

    orders: Annotated[list[KeyedOrder], Meta(min_length=1, max_length=500)]


class AnyOrders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As above, before it is known whether each of them is one."""

    orders: Annotated[list[Any], Meta(min_length=1, max_length=500)]


def _check_doubles(items: Sequence[NewItem]) -> None:
    if doubles := _doubles(items):
        raise Unprocessable({"items": {str(index): {"sku": ["A SKU may stand here once."]} for index in doubles}})


def _doubles(items: Sequence[NewItem]) -> list[int]:
    counts = Counter(item.sku for item in items)
    if len(counts) == len(items):
        return []
    first: set[str] = set()
    return [index for index, item in enumerate(items) if item.sku in first or first.add(item.sku)]  # type: ignore[func-returns-value]


class Cancellation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the order is to be cancelled."""

    reason: Reason


class _Goods(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=500)]

    @classmethod
    def of(cls, data: Any) -> Self:
        """Raises ValidationError, msgspec's or the framework's, with the place of what is wrong."""
        goods = convert(data, cls)
        _check_doubles(goods.items)
        return goods

    @property
    def goods(self) -> list[Goods]:
        return [Goods(sku=item.sku, quantity=item.quantity) for item in self.items]


class NewShipment(_Goods, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A parcel: some or all of what is still to be shipped."""

    carrier: Carrier
    tracking_number: TrackingNumber


class NewReturn(_Goods, frozen=True, forbid_unknown_fields=True):
    """What the customer gives back, and why."""

    reason: Reason


# --- out -----------------------------------------------------------------------------------------------------


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """One product of an order, at the price of the day of the order."""

    sku: str
    name: str
    quantity: int
    unit_price: Money
    line_total: Money
    shipped_quantity: int
    returned_quantity: int


class Payment(msgspec.Struct, frozen=True):
    """`reason` says why it failed, where it did."""

    status: PaymentStatus
    reason: str | None


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """An order as it is now."""

    id: UUID
    number: str
    status: Status
    version: int
    currency: str
    total: Money
    items: list[Line]
    email: str
    shipping_address: Address
    payment: Payment
    cancel_reason: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, order: models.Order, payment: StoredEvent | None) -> Order:
        currency = order.currency
        return cls(
            id=order.id,
            number=order.number,
            status=order.status,
            version=order.version,
            currency=currency,
            total=order.money,
            items=[_line(line, currency) for line in order.lines.all()],
            email=order.email,
            shipping_address=cast("Address", order.shipping_address),  # stored as it goes out
            payment=_payment(payment),
            cancel_reason=order.cancel_reason or None,
            created_at=order.created_at,
            updated_at=order.updated_at,
        )

    @classmethod
    def as_it_was(cls, order: models.Order, past: Past) -> Order:
        """What the log does not know, such as the address, is as it is now."""
        state, names = past.state, {line.sku: line.name for line in order.lines.all()}
        return cls(
            id=order.id,
            number=order.number,
            status=state.status,
            version=past.event.stream_version,
            currency=order.currency,
            total=state.total,
            items=[_past_line(line, names[line.sku]) for line in state.lines],
            email=order.email,
            shipping_address=cast("Address", order.shipping_address),
            payment=_payment(past.payment),
            cancel_reason=state.cancel_reason or None,
            created_at=order.created_at,
            updated_at=past.event.time,
        )


class Moved(msgspec.Struct, frozen=True):
    """So much of one product."""

    sku: str
    quantity: int


class Shipment(msgspec.Struct, frozen=True, rename="camel"):
    """A parcel, and the order as it is with it."""

    id: UUID
    items: list[Moved]
    carrier: str
    tracking_number: str
    created_at: datetime
    order: Order

    @classmethod
    def of(cls, shipment: models.Shipment, items: Sequence[Goods], order: Order) -> Shipment:
        return cls(
            id=shipment.id,
            items=[Moved(item.sku, item.quantity) for item in items],
            carrier=shipment.carrier,
            tracking_number=shipment.tracking_number,
            created_at=shipment.created_at,
            order=order,
        )


class Return(msgspec.Struct, frozen=True, rename="camel"):
    """What the customer gives back and what is refunded for it, and the order as it is with that."""

    id: UUID
    items: list[Moved]
    reason: str
    refund: Money
    created_at: datetime
    order: Order

    @classmethod
    def of(cls, taken: models.Return, items: Sequence[Goods], order: Order) -> Return:
        return cls(
            id=taken.id,
            items=[Moved(item.sku, item.quantity) for item in items],
            reason=taken.reason,
            refund=Money(taken.refund, order.currency),
            created_at=taken.created_at,
            order=order,
        )


class BulkProblem(msgspec.Struct, frozen=True):
    """Why one of many orders was not accepted, as its own answer would say it; pointers begin at that order."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, str]]


class BulkResult(msgspec.Struct, frozen=True):
    """What came of one of many orders: `order` where `status` is 201, else `problem`."""

    status: int
    order: Order | msgspec.UnsetType = msgspec.UNSET
    problem: BulkProblem | msgspec.UnsetType = msgspec.UNSET


class BulkResults(msgspec.Struct, frozen=True):
    """One result for each order, in the order given."""

    results: list[BulkResult]


def _line(line: models.OrderLine, currency: str) -> Line:
    return Line(
        sku=line.sku,
        name=line.name,
        quantity=line.quantity,
        unit_price=Money(line.unit_price, currency),
        line_total=Money(line.unit_price * line.quantity, currency),
        shipped_quantity=line.shipped_quantity,
        returned_quantity=line.returned_quantity,
    )


def _past_line(line: LineState, name: str) -> Line:
    return Line(
        sku=line.sku,
        name=name,
        quantity=line.quantity,
        unit_price=line.unit_price,
        line_total=Money(line.unit_price.amount * line.quantity, line.unit_price.currency),
        shipped_quantity=line.shipped,
        returned_quantity=line.returned,
    )


NO_PAYMENT = Payment("pending", None)


def _payment(last: StoredEvent | None) -> Payment:
    if last is None:
        return NO_PAYMENT
    status = last.type.rpartition(".")[2]
    if status == "refunded" and not last.data.get("complete", True):
        status = "partially_refunded"
    return Payment(status, getattr(last, "failure", None))


def etag(order: models.Order, payment: StoredEvent | None) -> str:
    """Changes with everything that the order's JSON is made of."""
    paid = payment.stream_version if payment else 0
    return f'"{order.version}-{paid}-{int(order.updated_at.timestamp() * 1_000_000):x}"'
