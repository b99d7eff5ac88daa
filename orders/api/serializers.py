"""The JSON types of orders: validated requests and responses. The OpenAPI schema is generated from these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self, cast
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError as Invalid
from msgspec import Meta
from rest_framework.exceptions import ValidationError

from events import Money
from events.declare.money import BadMoney, Currency, SentMoney, check_currency
from orders import models
from orders.addresses import Address, StoredAddress
from orders.api.fields import (
    Carrier,
    Email,
    PaymentStatus,
    Quantity,
    Reason,
    RefundStatus,
    Sku,
    Status,
    Token,
    TrackingNumber,
)
from orders.events import Goods
from orders.evolve import LineState
from orders.paid import Paid, refund_state
from orders.selectors import OrderAtVersion
from orders.services import Placement, Wanted
from web.email_address import validate_email_address
from web.typed import convert
from web.unprocessable import Unprocessable

# --- in ------------------------------------------------------------------------------------------------------


class NewItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product and its quantity. The price comes from the catalogue."""

    sku: Sku
    quantity: Quantity


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An order as the customer requests it. Each SKU can occur once."""

    currency: Currency
    email: Email
    payment_token: Token
    shipping_address: Address
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=500)]

    @classmethod
    def of(cls, data: Any) -> Self:
        """Validates `data`. Raises msgspec's or REST framework's ValidationError, which names the invalid field."""
        order = convert(data, cls)
        try:
            validate_email_address(order.email)
        except Invalid as error:
            raise ValidationError({"email": [error.message]}) from error
        try:
            check_currency(order.currency)
        except BadMoney as bad:
            raise Unprocessable({"currency": [str(bad)]}) from bad
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
    """One order of a bulk request."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)]


class NewOrders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bulk request: orders, each with its own idempotency key."""

    orders: Annotated[list[KeyedOrder], Meta(min_length=1, max_length=500)]


class AnyOrders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bulk request whose orders are not validated yet."""

    orders: Annotated[list[Any], Meta(min_length=1, max_length=500)]


def _check_doubles(items: Sequence[NewItem]) -> None:
    if doubles := _doubles(items):
        raise Unprocessable(
            {
                "items": {
                    str(index): {"sku": ["This SKU occurs more than once. Send one item per SKU."]} for index in doubles
                }
            }
        )


def _doubles(items: Sequence[NewItem]) -> list[int]:
    counts = Counter(item.sku for item in items)
    if len(counts) == len(items):
        return []
    first: set[str] = set()
    return [index for index, item in enumerate(items) if item.sku in first or first.add(item.sku)]  # type: ignore[func-returns-value]


class Cancellation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to cancel an order; of a partially shipped one `items`, by default all that is not shipped yet."""

    reason: Reason
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=500)] | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, data: Any) -> Self:
        """Validates `data`. Raises msgspec's or REST framework's ValidationError, which names the invalid field."""
        cancellation = convert(data, cls)
        _check_doubles(cancellation.items or [])
        return cancellation

    @property
    def goods(self) -> list[Goods]:
        return [Goods(sku=item.sku, quantity=item.quantity) for item in self.items or []]


class SomeGoods(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Items of an order. Each SKU can occur once."""

    items: Annotated[list[NewItem], Meta(min_length=1, max_length=500)]

    @classmethod
    def of(cls, data: Any) -> Self:
        """Validates `data`. Raises msgspec's or REST framework's ValidationError, which names the invalid field."""
        goods = convert(data, cls)
        _check_doubles(goods.items)
        return goods

    @property
    def goods(self) -> list[Goods]:
        return [Goods(sku=item.sku, quantity=item.quantity) for item in self.items]


class NewShipment(SomeGoods, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A parcel with some or all of the items that are not shipped yet."""

    carrier: Carrier
    tracking_number: TrackingNumber


class NewRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money to refund without a return, and why."""

    amount: SentMoney
    reason: Reason

    @classmethod
    def of(cls, data: Any) -> Self:
        """Validates `data`. Raises msgspec's or REST framework's ValidationError, which names the invalid field."""
        new = convert(data, cls)
        try:
            amount = new.amount.money.amount
        except BadMoney as bad:
            raise Unprocessable({"amount": {bad.field: [str(bad)]}}) from bad
        if not amount:
            raise Unprocessable({"amount": {"amount": ["Send an amount of more than 0."]}})
        return new


# --- out -----------------------------------------------------------------------------------------------------


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """One product of an order, at the price when the order was placed."""

    sku: str
    name: str
    quantity: int
    unit_price: Money
    line_total: Money
    shipped_quantity: int
    returned_quantity: int
    cancelled_quantity: int


class RefundProgress(msgspec.Struct, frozen=True):
    """Whether all money that is due is back. `amount` is what is missing; once it has succeeded, what was refunded."""

    status: RefundStatus
    amount: Money


class Payment(msgspec.Struct, frozen=True):
    """The state of the payment. `reason` is null unless it failed. `refund` is there once money is to be refunded."""

    status: PaymentStatus
    reason: str | None
    refund: RefundProgress | msgspec.UnsetType = msgspec.UNSET


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """An order in its current state."""

    id: UUID
    number: str
    status: Status
    version: int
    currency: str
    total: Money
    items: list[Line]
    email: str
    shipping_address: StoredAddress
    payment: Payment
    cancel_reason: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, order: models.Order, payment: Paid | None) -> Order:
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
            shipping_address=cast("StoredAddress", order.shipping_address),  # stored in the form in which it is sent
            payment=_payment(payment, Money(order.refund_due, currency)),
            cancel_reason=order.cancel_reason or None,
            created_at=order.created_at,
            updated_at=order.updated_at,
        )

    @classmethod
    def as_it_was(cls, order: models.Order, past: OrderAtVersion) -> Order:
        """Fields that are not in the log, such as the address, have their current values."""
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
            shipping_address=cast("StoredAddress", order.shipping_address),
            payment=_payment(past.payment, Money(state.refund_due, order.currency)),
            cancel_reason=state.cancel_reason or None,
            created_at=order.created_at,
            updated_at=past.event.time,
        )


class Moved(msgspec.Struct, frozen=True):
    """A quantity of one product."""

    sku: str
    quantity: int


class Shipment(msgspec.Struct, frozen=True, rename="camel"):
    """A parcel, and the order after shipping it."""

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


class Refund(msgspec.Struct, frozen=True, rename="camel"):
    """Money that is refunded without a return, and the order as it is with that."""

    id: UUID
    amount: Money
    reason: str
    created_at: datetime
    order: Order

    @classmethod
    def of(cls, refund: models.RefundRequest, order: Order) -> Refund:
        return cls(
            id=refund.id,
            amount=Money(refund.amount, order.currency),
            reason=refund.reason,
            created_at=refund.created_at,
            order=order,
        )


class BulkProblem(msgspec.Struct, frozen=True):
    """Why one order of a bulk request was not accepted. Pointers are relative to that order."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, str]]

    @classmethod
    def unexpected(cls, path: str) -> Self:
        detail = "An internal error occurred. Send this order again with the same key, or report it with X-Request-ID."
        return cls("internal-error", "Internal error", 500, detail, path, [])


class BulkResult(msgspec.Struct, frozen=True):
    """The result of one order of a bulk request: `order` if `status` is 201, otherwise `problem`."""

    status: int
    order: Order | msgspec.UnsetType = msgspec.UNSET
    problem: BulkProblem | msgspec.UnsetType = msgspec.UNSET


class BulkResults(msgspec.Struct, frozen=True):
    """One result per order, in the sequence of the request."""

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
        cancelled_quantity=line.cancelled_quantity,
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
        cancelled_quantity=line.cancelled,
    )


NO_PAYMENT = Payment("pending", None)


def _payment(payment: Paid | None, due: Money) -> Payment:
    if payment is None:
        return NO_PAYMENT
    refund = refund_state(due.amount, payment)
    if refund is None:
        return Payment(payment.status, payment.reason)
    progress = RefundProgress(refund.status.value, Money(refund.amount, due.currency))
    return Payment(payment.status, payment.reason, progress)


def etag(order: models.Order, payment: Paid | None) -> str:
    """An ETag that changes whenever the order's JSON changes."""
    paid = payment.version if payment else 0
    return f'"{order.version}-{paid}-{int(order.updated_at.timestamp() * 1_000_000):x}"'
