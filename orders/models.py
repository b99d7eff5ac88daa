"""The order and its lines. Each transition is a method that checks the status and records an event."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import models
from uuid_utils.compat import uuid7

from events import Money
from events.declare.money_fields import AmountField
from events.declare.read_model import ReadModel
from events.log.aggregate import Aggregate
from orders.errors import IllegalTransition, ImpossibleQuantity, ImpossibleRefund
from orders.events import (
    Goods,
    Item,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderDelivered,
    OrderItemsCancelled,
    OrderRefundRequested,
    OrderReturned,
    OrderReturnRequested,
    OrderShipped,
)
from orders.evolve import OrderState, evolve, short
from orders.parts import Cancellation, CancellationLine, OrderLine, RefundRequest, Shipment, ShipmentLine
from orders.returns import Return, ReturnLine, ReturnStatus
from web.email_address import validate_email_address

OWED = ("refund_due", "refund_status")
"""The fields that `Order.owe` changes."""
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RefundStatus(models.TextChoices):
    PENDING = "pending"
    FAILED = "failed"
    SUCCEEDED = "succeeded"


class Status(models.TextChoices):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"


def human_number(moment: datetime) -> str:
    """An order number that is easy to read aloud: the date and 50 random bits, without letters that resemble digits."""
    bits = secrets.randbits(50)
    digits = "".join(CROCKFORD[bits >> shift & 31] for shift in range(0, 50, 5))
    return f"{moment:%y%m%d}-{digits[:5]}-{digits[5:]}"


class Order(Aggregate):
    """An order from one customer, in one currency."""

    stream_kind = "order"
    parts = ("lines", "returns__lines__line")
    evolve = staticmethod(evolve)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=20, unique=True, editable=False)
    customer_id = models.UUIDField(editable=False)
    email = models.EmailField(max_length=254, validators=[validate_email_address])
    currency = models.CharField(max_length=3)
    total = AmountField()
    shipping_address = models.JSONField(default=dict)
    payment_token = models.CharField(max_length=255, editable=False)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    cancel_request = models.CharField(
        max_length=200,
        blank=True,
        help_text="The reason of a cancellation that was requested while the order was pending",
    )
    cancel_reason = models.CharField(max_length=100, blank=True)
    cancel_detail = models.TextField(blank=True)
    cancel_code = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="The code of the shop's own reason; empty if a person cancelled",
    )
    refund_due = AmountField(
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="What has been or is to be refunded",
    )
    refund_status = models.CharField(
        max_length=10,
        choices=RefundStatus,
        blank=True,
        default="",
        db_default="",
        help_text="Whether all that is to be refunded has been; empty if nothing is to be refunded",
    )
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["customer_id", "-id"], name="order_customer"),
            models.Index(fields=["status", "-id"], name="order_status"),
            models.Index(
                fields=["refund_status", "-id"],
                name="order_refund_open",
                condition=models.Q(refund_status__in=[RefundStatus.PENDING, RefundStatus.FAILED]),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(refund_due__lte=models.F("total")), name="refund_at_most_paid"),
        ]
        permissions = [
            ("cancel_order", "Can cancel orders"),
            ("ship_order", "Can ship orders"),
            ("deliver_order", "Can mark orders as delivered"),
            ("return_order", "Can request returns for customers"),
            ("refund_order", "Can refund money without a return"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def money(self) -> Money:
        return Money(self.total, self.currency)

    @property
    def refundable(self) -> Decimal:
        """What of a paid order's total has not been refunded and is not to be refunded."""
        return self.total - self.refund_due

    @classmethod
    def place(
        cls,
        *,
        customer_id: UUID,
        email: str,
        payment_token: str,
        shipping_address: dict[str, str],
        items: tuple[Item, ...],
    ) -> Order:
        """Creates an order without saving it. All prices must be in one currency."""
        currency = items[0].unit_price.currency
        now = datetime.now(UTC)
        order = cls(
            number=human_number(now),
            customer_id=customer_id,
            email=email,
            currency=currency,
            total=sum((item.unit_price.amount * item.quantity for item in items), Decimal(0)),
            shipping_address=shipping_address,
            payment_token=payment_token,
            created_at=now,
            updated_at=now,
        )
        order.record(OrderCreated(order_id=order.id, customer_id=customer_id, items=items, total=order.money))
        return order

    def confirm(self) -> None:
        """Called by the saga once stock is committed and the payment is captured. Raises IllegalTransition."""
        self._move(Status.PENDING, to=Status.CONFIRMED)
        self.record(OrderConfirmed(order_id=self.id, total=self.money))

    def cancel(self, reason: str, detail: str = "", *, code: str = "") -> None:
        """Cancels an order of which nothing has been shipped. Raises IllegalTransition.

        `code` is for the shop's own reasons only. What a person writes is `reason`, and is never read as a code.
        """
        was_confirmed = self.status == Status.CONFIRMED
        self._move(Status.PENDING, Status.CONFIRMED, to=Status.CANCELLED)
        self.cancel_reason, self.cancel_detail, self.cancel_code = short(reason), detail, short(code)
        refund = self.owe(self.total) if was_confirmed else None
        if not was_confirmed:
            self.refund_status = ""  # whatever was held or captured has been given back before
        self.record(
            OrderCancelled(
                order_id=self.id, reason=reason, detail=detail, was_confirmed=was_confirmed, refund=refund, code=code
            )
        )  # fmt: skip

    def cancel_items(self, cancellation_id: UUID, items: Sequence[Goods], reason: str) -> Money:
        """Cancels unshipped items of a partially shipped order. Returns what is refunded for them.

        Raises IllegalTransition and ImpossibleQuantity.
        """
        whole = self.status in {Status.PENDING, Status.CONFIRMED}
        so = "it can only be cancelled as a whole: leave out the items" if whole else "nothing is left to cancel"
        self._expect(Status.PARTIALLY_SHIPPED, so=so)
        refund = self.owe(self._take(items, "cancelled", code="more-than-unshipped"))
        complete = not any(line.to_ship for line in self.lines.all())
        if complete:
            self.status = Status.SHIPPED
        self.record(
            OrderItemsCancelled(
                order_id=self.id, cancellation_id=cancellation_id, items=tuple(items), refund=refund, reason=reason,
                complete=complete,
            )
        )  # fmt: skip
        return refund

    def ship(self, shipment_id: UUID, items: Sequence[Goods], carrier: str, tracking_number: str) -> None:
        """Ships items that have not been shipped yet. Raises IllegalTransition and ImpossibleQuantity."""
        self._expect(Status.CONFIRMED, Status.PARTIALLY_SHIPPED, so="no items of it can be shipped")
        self._take(items, "shipped", code="more-than-ordered")
        complete = not any(line.to_ship for line in self.lines.all())
        self.status = Status.SHIPPED if complete else Status.PARTIALLY_SHIPPED
        self.record(
            OrderShipped(
                order_id=self.id, shipment_id=shipment_id, items=tuple(items), carrier=carrier,
                tracking_number=tracking_number, complete=complete,
            )
        )  # fmt: skip

    def deliver(self) -> None:
        """Marks a completely shipped order as delivered. Raises IllegalTransition."""
        self._move(Status.SHIPPED, to=Status.DELIVERED)
        self.record(OrderDelivered(order_id=self.id))

    def request_return(self, return_id: UUID, items: Sequence[Goods], reason: str) -> Money:
        """The customer asks to return goods; the answer is what they cost. Raises as `return_items`."""
        refund = self._price_of_returnable(items)
        self.record(OrderReturnRequested(order_id=self.id, return_id=return_id, items=tuple(items), reason=reason))
        return refund

    def return_items(self, return_id: UUID, items: Sequence[Goods], reason: str) -> Money:
        """Takes back goods without approval. Returns what is refunded for them.

        Raises IllegalTransition, and ImpossibleQuantity: what open returns contain cannot be returned again.
        """
        self._price_of_returnable(items)
        return self.take_back(return_id, items, reason)

    def take_back(self, return_id: UUID, items: Sequence[Goods], reason: str) -> Money:
        """The goods of a return are here. Returns what is refunded. Does not check how many may come back."""
        cost = Decimal(0)
        for line, item in self.with_lines(items):
            line.returned_quantity += item.quantity
            cost += line.unit_price * item.quantity
        complete = not any(line.to_return for line in self.lines.all())
        if complete:
            self.status = Status.RETURNED
        refund = self.owe(cost)
        self.record(
            OrderReturned(
                order_id=self.id, return_id=return_id, items=tuple(items), refund=refund, reason=reason,
                complete=complete,
            )
        )  # fmt: skip
        return refund

    def request_refund(self, refund_id: UUID, amount: Money, reason: str) -> None:
        """Refunds money without a return. Raises IllegalTransition and ImpossibleRefund."""
        self._expect(
            Status.CONFIRMED, Status.PARTIALLY_SHIPPED, Status.SHIPPED, Status.DELIVERED, Status.RETURNED,
            so="no money of it can be refunded",
        )  # fmt: skip
        if amount.currency != self.currency:
            raise ImpossibleRefund("wrong-currency", f"The order was paid in {self.currency}, not {amount.currency}.")
        if amount.amount > self.refundable:
            raise ImpossibleRefund(
                "more-than-paid", f"At most {Money(self.refundable, self.currency)} can be refunded."
            )
        self.owe(amount.amount)
        self.record(OrderRefundRequested(order_id=self.id, refund_id=refund_id, amount=amount, reason=reason))

    def owe(self, amount: Decimal) -> Money:
        """Makes `amount` due for refund, but never more than is left of what was paid. Returns what was added.

        To be saved: `OWED`. A saga then refunds it by `payments.steps.refund_part`.
        """
        added = min(amount, self.refundable)
        self.refund_due += added
        if added and self.refund_status != RefundStatus.FAILED:
            self.refund_status = RefundStatus.PENDING
        return Money(added, self.currency)

    def _take(self, items: Sequence[Goods], deed: str, *, code: str) -> Decimal:
        """Takes items that are to be shipped, to be "shipped" or "cancelled" now. Returns what they cost.

        Raises ImpossibleQuantity with this code.
        """
        counter, cost = f"{deed}_quantity", Decimal(0)
        for index, (line, item) in enumerate(self.with_lines(items)):
            if item.quantity > line.to_ship:
                raise ImpossibleQuantity(code, index, f"At most {line.to_ship} of {line.sku} can still be {deed}.")
            setattr(line, counter, getattr(line, counter) + item.quantity)
            cost += line.unit_price * item.quantity
        return cost

    def returnable(self) -> dict[str, int]:
        """What the customer has and has not asked to return, by SKU. Needs `returns` with their lines."""
        asked = Counter[str]()
        for one in self.returns.all():
            asked.update(one.asked())
        return {line.sku: line.to_return - asked[line.sku] for line in self.lines.all()}

    def _price_of_returnable(self, items: Sequence[Goods]) -> Money:
        self._expect(Status.DELIVERED, so="nothing of it can be returned")
        most, price = self.returnable(), Decimal(0)
        for index, (line, item) in enumerate(self.with_lines(items)):
            if item.quantity > most[item.sku]:
                raise ImpossibleQuantity(
                    "more-than-shipped", index, f"At most {most[item.sku]} of {item.sku} can still be returned."
                )
            price += line.unit_price * item.quantity
        return Money(price, self.currency)

    def with_lines(self, items: Sequence[Goods]) -> list[tuple[OrderLine, Goods]]:
        """Pairs each item with its order line. Raises ImpossibleQuantity for a product that was not ordered."""
        by_sku = {line.sku: line for line in self.lines.all()}
        for index, item in enumerate(items):
            if item.sku not in by_sku:
                raise ImpossibleQuantity("not-ordered", index, f"{item.sku!r} is not in this order.", field="sku")
        return [(by_sku[item.sku], item) for item in items]

    def folded(self) -> OrderState:
        return OrderState(
            self.customer_id, self.money, tuple(line.folded(self.currency) for line in self.lines.all()),
            self.status, self.cancel_reason, self.cancel_detail, self.cancel_code, self.refund_due,
            {one.id: one.folded() for one in self.returns.all()},
        )  # fmt: skip

    def _expect(self, *allowed: Status, so: str) -> None:
        if self.status not in allowed:
            raise IllegalTransition(f"Order {self.number} is {self.status}, so {so}.")

    def _move(self, *allowed: Status, to: Status) -> None:
        self._expect(*allowed, so=f"it cannot become {to}")
        self.status = to


class IdempotentRequest(models.Model):
    """The stored response to a request. A retry with the same idempotency key gets the same bytes."""

    id = models.BigAutoField(primary_key=True)
    caller = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of method, path and body")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return self.key


class DailySales(ReadModel):
    """Sales per day (UTC) and currency. `orders.subscribers.daily_sales` builds it. Values only increase."""

    day = models.DateField()
    currency = models.CharField(max_length=3)
    confirmed = models.PositiveIntegerField(help_text="Orders that were confirmed on this day")
    revenue = AmountField(help_text="What they came to")
    cancelled = models.PositiveIntegerField(help_text="Orders that were cancelled on this day, confirmed before or not")
    returned = models.PositiveIntegerField(help_text="Returns that were taken on this day")
    refunded = AmountField(help_text="What was given back on this day, of orders that were confirmed")

    class Meta:
        verbose_name_plural = "daily sales"
        ordering = ["-day", "currency"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["build", "day", "currency"], name="one_row_per_day")]

    def __str__(self) -> str:
        return f"{self.day} in {self.currency}"


__all__ = [
    "OWED", "Cancellation", "CancellationLine", "DailySales", "IdempotentRequest", "IllegalTransition",
    "ImpossibleQuantity", "ImpossibleRefund", "Order", "OrderLine", "RefundRequest", "RefundStatus", "Return",
    "ReturnLine", "ReturnStatus", "Shipment", "ShipmentLine", "Status",
]  # fmt: skip
