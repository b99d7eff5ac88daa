"""The order and its lines. Every transition is a method that refuses what is illegal and records what happened."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import models
from uuid_utils.compat import uuid7

from events import Money, Refused
from events.aggregate import Aggregate
from events.read_model import ReadModel
from orders.events import (
    Goods,
    Item,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderDelivered,
    OrderReturned,
    OrderShipped,
)
from orders.evolve import LineState, OrderState, evolve, short

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class IllegalTransition(Exception):
    """The order's status does not allow this; read the order again to see what it does allow."""


class ImpossibleQuantity(Refused):
    """A product was not ordered, or not so much of it as is to be shipped or returned.

    `index` says which item of the request, `field` what of it.
    """

    def __init__(self, code: str, index: int, detail: str, *, field: str = "quantity") -> None:
        super().__init__(code, detail)
        self.index = index
        self.field = field


class Status(models.TextChoices):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"


def human_number(moment: datetime) -> str:
    """A number to read out on the telephone: the day and 50 random bits, no letter that looks like a digit."""
    bits = secrets.randbits(50)
    digits = "".join(CROCKFORD[bits >> shift & 31] for shift in range(0, 50, 5))
    return f"{moment:%y%m%d}-{digits[:5]}-{digits[5:]}"


class Order(Aggregate):
    """An order from one customer, in one currency."""

    stream_kind = "order"
    parts = ("lines",)
    evolve = staticmethod(evolve)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=20, unique=True, editable=False)
    customer_id = models.UUIDField(editable=False)
    email = models.EmailField(max_length=254)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=14, decimal_places=2)
    shipping_address = models.JSONField(default=dict)
    payment_token = models.CharField(max_length=255, editable=False)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    cancel_request = models.CharField(max_length=200, blank=True, help_text="Asked for while still pending")
    cancel_reason = models.CharField(max_length=100, blank=True)
    cancel_detail = models.TextField(blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["customer_id", "-id"], name="order_customer"),
            models.Index(fields=["status", "-id"], name="order_status"),
        ]
        permissions = [
            ("cancel_order", "Can cancel orders"),
            ("ship_order", "Can ship orders"),
            ("deliver_order", "Can tell that orders were delivered"),
            ("return_order", "Can take back what customers return"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def money(self) -> Money:
        return Money(self.total, self.currency)

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
        """A new order, not yet saved. All prices must be in one currency."""
        currency = items[0].unit_price.currency
        now = datetime.now(UTC)
        order = cls(
            number=human_number(now),
            customer_id=customer_id,
            email=email,
            currency=currency,
            total=sum(item.unit_price.amount * item.quantity for item in items),
            shipping_address=shipping_address,
            payment_token=payment_token,
            created_at=now,
            updated_at=now,
        )
        order.record(OrderCreated(order_id=order.id, customer_id=customer_id, items=items, total=order.money))
        return order

    def confirm(self) -> None:
        """The saga has stock and money."""
        self._move(Status.PENDING, to=Status.CONFIRMED)
        self.record(OrderConfirmed(order_id=self.id, total=self.money))

    def cancel(self, reason: str, detail: str = "") -> None:
        """Before anything was shipped."""
        was_confirmed = self.status == Status.CONFIRMED
        self._move(Status.PENDING, Status.CONFIRMED, to=Status.CANCELLED)
        self.cancel_reason, self.cancel_detail = short(reason), detail
        self.record(OrderCancelled(order_id=self.id, reason=reason, detail=detail, was_confirmed=was_confirmed))

    def ship(self, shipment_id: UUID, items: Sequence[Goods], carrier: str, tracking_number: str) -> None:
        """Sends goods that have not been sent yet. Raises ImpossibleQuantity."""
        self._expect(Status.CONFIRMED, Status.PARTIALLY_SHIPPED, so="nothing of it can be shipped")
        for index, (line, item) in enumerate(self.with_lines(items)):
            if item.quantity > line.to_ship:
                raise ImpossibleQuantity("more-than-ordered", index, f"{line.to_ship} of {line.sku} are to be shipped.")
            line.shipped_quantity += item.quantity
        complete = not any(line.to_ship for line in self.lines.all())
        self.status = Status.SHIPPED if complete else Status.PARTIALLY_SHIPPED
        self.record(
            OrderShipped(
                order_id=self.id, shipment_id=shipment_id, items=tuple(items), carrier=carrier,
                tracking_number=tracking_number, complete=complete,
            )
        )  # fmt: skip

    def deliver(self) -> None:
        """The last parcel has arrived."""
        self._move(Status.SHIPPED, to=Status.DELIVERED)
        self.record(OrderDelivered(order_id=self.id))

    def take_back(self, return_id: UUID, items: Sequence[Goods], reason: str) -> Money:
        """The customer gives goods back; returns what they cost. Raises ImpossibleQuantity."""
        self._expect(Status.DELIVERED, so="nothing of it can be returned")
        refund = Decimal(0)
        for index, (line, item) in enumerate(self.with_lines(items)):
            if item.quantity > line.to_return:
                raise ImpossibleQuantity("more-than-shipped", index, f"{line.to_return} of {line.sku} can be returned.")
            line.returned_quantity += item.quantity
            refund += line.unit_price * item.quantity
        complete = not any(line.to_return for line in self.lines.all())
        if complete:
            self.status = Status.RETURNED
        money = Money(refund, self.currency)
        self.record(
            OrderReturned(
                order_id=self.id, return_id=return_id, items=tuple(items), refund=money, reason=reason,
                complete=complete,
            )
        )  # fmt: skip
        return money

    def with_lines(self, items: Sequence[Goods]) -> list[tuple[OrderLine, Goods]]:
        """Each item beside its line. Raises ImpossibleQuantity for what was not ordered."""
        by_sku = {line.sku: line for line in self.lines.all()}
        for index, item in enumerate(items):
            if item.sku not in by_sku:
                raise ImpossibleQuantity("not-ordered", index, f"{item.sku!r} is not in this order.", field="sku")
        return [(by_sku[item.sku], item) for item in items]

    def folded(self) -> OrderState:
        return OrderState(
            self.customer_id, self.money, tuple(line.folded(self.currency) for line in self.lines.all()),
            self.status, self.cancel_reason, self.cancel_detail,
        )  # fmt: skip

    def _expect(self, *allowed: Status, so: str) -> None:
        if self.status not in allowed:
            raise IllegalTransition(f"order {self.number} is {self.status}, so {so}")

    def _move(self, *allowed: Status, to: Status) -> None:
        self._expect(*allowed, so=f"it cannot become {to}")
        self.status = to


class OrderLine(models.Model):
    """One product of an order, at the price of the day of the order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    shipped_quantity = models.PositiveIntegerField(default=0)
    returned_quantity = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["order_id", "position"]
        indexes = [models.Index(fields=["sku", "order"], name="line_sku")]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="one_line_per_position"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="line_quantity_positive"),
            models.CheckConstraint(
                condition=models.Q(shipped_quantity__lte=models.F("quantity")), name="shipped_at_most_ordered"
            ),
            models.CheckConstraint(
                condition=models.Q(returned_quantity__lte=models.F("shipped_quantity")),
                name="returned_at_most_shipped",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.sku}"

    @property
    def line_total(self) -> Money:
        return Money(self.unit_price * self.quantity, self.order.currency)

    @property
    def to_ship(self) -> int:
        return self.quantity - self.shipped_quantity

    @property
    def to_return(self) -> int:
        return self.shipped_quantity - self.returned_quantity

    def folded(self, currency: str) -> LineState:
        price = Money(self.unit_price, currency)
        return LineState(self.sku, self.quantity, price, self.shipped_quantity, self.returned_quantity)


class Shipment(models.Model):
    """A parcel with goods of an order."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="shipments")
    carrier = models.CharField(max_length=100)
    tracking_number = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_number}"


class ShipmentLine(models.Model):
    """So much of one line of the order, in this parcel."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.line.sku}"


class Return(models.Model):
    """Goods of an order that the customer gives back, and what they cost; `ReturnOrder` does the rest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="returns")
    reason = models.CharField(max_length=100)
    refund = models.DecimalField(max_digits=14, decimal_places=2)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.refund} {self.order.currency} for {self.reason}"


class ReturnLine(models.Model):
    """So much of one line of the order, coming back."""

    taken = models.ForeignKey(Return, on_delete=models.CASCADE, related_name="lines")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.line.sku}"


class IdempotentRequest(models.Model):
    """The first answer to a request, byte for byte, for whoever sends the same key again."""

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
    """What was sold on a day (UTC), made of events by `orders.subscribers.daily_sales`. A day's row only ever grows."""

    day = models.DateField()
    currency = models.CharField(max_length=3)
    confirmed = models.PositiveIntegerField(help_text="Orders that were confirmed on this day")
    revenue = models.DecimalField(max_digits=16, decimal_places=2, help_text="What they came to")
    cancelled = models.PositiveIntegerField(help_text="Orders that were cancelled on this day, confirmed before or not")
    returned = models.PositiveIntegerField(help_text="Returns that were taken on this day")
    given_back = models.DecimalField(
        max_digits=16, decimal_places=2, help_text="What returns and cancellations of confirmed orders came to"
    )

    class Meta:
        verbose_name_plural = "daily sales"
        ordering = ["-day", "currency"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["build", "day", "currency"], name="one_row_per_day")]

    def __str__(self) -> str:
        return f"{self.day} in {self.currency}"
