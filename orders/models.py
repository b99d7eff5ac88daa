"""The order and its lines. Every transition is a method that refuses what is illegal and records what happened."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from uuid import UUID

from django.db import models
from uuid_utils.compat import uuid7

from events import Money
from events.aggregate import Aggregate
from orders.events import Item, OrderCancelled, OrderConfirmed, OrderCreated

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class IllegalTransition(Exception):
    """The order's status does not allow this; read the order again to see what it does allow."""


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
    digits = "".join(secrets.choice(CROCKFORD) for _ in range(10))
    return f"{moment:%y%m%d}-{digits[:5]}-{digits[5:]}"


class Order(Aggregate):
    """An order from one customer, in one currency."""

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
        permissions = [("cancel_order", "Can cancel orders")]

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
        self.cancel_reason, self.cancel_detail = reason[:100], detail
        self.record(OrderCancelled(order_id=self.id, reason=reason, detail=detail, was_confirmed=was_confirmed))

    def _move(self, *allowed: Status, to: Status) -> None:
        if self.status not in allowed:
            raise IllegalTransition(f"order {self.number} is {self.status}, so it cannot become {to}")
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
