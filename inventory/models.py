"""Products, warehouses, stock, and the reservations of orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models import F, Q

from desk.one_line import validate_one_line
from events import Money
from events.declare.money import BadMoney
from events.declare.money_fields import AmountField, validate_currency
from events.log.aggregate import Aggregate
from inventory.events import (
    Allocation,
    InventoryCommitted,
    InventoryRejected,
    InventoryReleased,
    InventoryReserved,
    InventoryRestocked,
    InventoryWrittenOff,
    Shortage,
)
from inventory.evolve import Holding, evolve
from inventory.rules import MAX_DESCRIPTION, is_sku, is_warehouse_code

HOLD_FOR = timedelta(hours=1)
"""How long stock is held for an order whose saga has not committed or released it."""


class Product(models.Model):
    """A product with one price in one currency."""

    sku = models.CharField("SKU", max_length=64, primary_key=True, validators=[is_sku])
    name = models.CharField(max_length=200, validators=[validate_one_line])
    description = models.TextField(blank=True, validators=[MaxLengthValidator(MAX_DESCRIPTION)])
    price = AmountField(whole_digits=10)
    currency = models.CharField(
        max_length=3, default="EUR", validators=[validate_currency], help_text="Its code in ISO 4217, in capitals"
    )
    active = models.BooleanField(default=True, help_text="For sale")
    low_stock = models.PositiveIntegerField(default=0, help_text="inventory.low is emitted when fewer are available")

    class Meta:
        ordering = ["sku"]
        constraints = [models.CheckConstraint(condition=Q(price__gte=0), name="price_not_negative")]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"

    @property
    def money(self) -> Money:
        return Money(self.price, self.currency)

    def clean(self) -> None:
        """Gives the price the decimals of its currency. Raises ValidationError where that has fewer."""
        given: Any = self.price
        if given is None:  # the field itself has complained
            return
        try:
            self.price = Money.of(given, self.currency).amount
        except BadMoney as bad:
            if bad.field == "amount":  # and the field of the currency
                raise ValidationError({"price": str(bad)}) from bad


class Warehouse(models.Model):
    """A warehouse. Holds are allocated to the warehouse with the lowest priority number first."""

    code = models.CharField(max_length=20, primary_key=True, validators=[is_warehouse_code])
    name = models.CharField(max_length=100, validators=[validate_one_line])
    priority = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["priority", "code"]

    def __str__(self) -> str:
        return self.name


class Stock(models.Model):
    """The quantity of a product in a warehouse, and the part of it that is held for orders."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="stock")
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="stock")
    on_hand = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "stock"
        ordering = ["product_id", "warehouse_id"]
        constraints = [
            models.UniqueConstraint(fields=["product", "warehouse"], name="one_stock_per_warehouse"),
            models.CheckConstraint(condition=Q(held__lte=F("on_hand")), name="held_at_most_on_hand"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} in {self.warehouse_id}"

    @property
    def available(self) -> int:
        return self.on_hand - self.held


class ReservationState(models.TextChoices):
    REJECTED = "rejected"
    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    RESTOCKED = "restocked"


class Reservation(Aggregate):
    """The stock reserved for one order. Its holds name the warehouses."""

    stream_kind = "inventory"
    parts = ("holds__stock",)
    evolve = staticmethod(evolve)

    order_id = models.UUIDField(primary_key=True, editable=False)
    state = models.CharField(max_length=10, choices=ReservationState)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="reservation_expiry", condition=Q(state="held"))]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.state}"

    def hold(self, allocations: Sequence[Allocation]) -> None:
        self.state = ReservationState.HELD
        self.expires_at = datetime.now(UTC) + HOLD_FOR
        self.record(InventoryReserved(order_id=self.order_id, allocations=tuple(allocations)))

    def reject(self, shortages: Sequence[Shortage]) -> None:
        self.state = ReservationState.REJECTED
        self.record(InventoryRejected(order_id=self.order_id, shortages=tuple(shortages)))

    def release(self, reason: str) -> None:
        self.state = ReservationState.RELEASED
        self.record(InventoryReleased(order_id=self.order_id, reason=reason))

    def commit(self, allocations: Sequence[Allocation]) -> None:
        self.state = ReservationState.COMMITTED
        self.record(InventoryCommitted(order_id=self.order_id, allocations=tuple(allocations)))

    def restock(self, allocations: Sequence[Allocation], *, whole: bool) -> None:
        """Records a return to stock. `whole`: nothing is left of what was committed."""
        if whole:
            self.state = ReservationState.RESTOCKED
        self.record(InventoryRestocked(order_id=self.order_id, allocations=tuple(allocations)))

    def write_off(self, return_id: UUID, allocations: Sequence[Allocation], *, whole: bool) -> None:
        """Records returned goods that cannot be sold again. `whole`: nothing is left of what was committed."""
        if whole:
            self.state = ReservationState.RESTOCKED
        self.record(InventoryWrittenOff(order_id=self.order_id, return_id=return_id, allocations=tuple(allocations)))

    def folded(self) -> Holding:
        holds = self.holds.all()
        places = {hold: (hold.stock.product_id, hold.stock.warehouse_id) for hold in holds}
        restocked: Counter[str] = Counter()
        written_off: Counter[str] = Counter()
        for hold, (sku, _) in places.items():
            restocked[sku] += hold.restocked
            written_off[sku] += hold.written_off
        allocated = {place: hold.quantity for hold, place in places.items()}
        return Holding(self.state, allocated, dict(+restocked), dict(+written_off))


class Hold(models.Model):
    """A quantity of one warehouse's stock that belongs to a reservation."""

    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="holds")
    stock = models.ForeignKey(Stock, on_delete=models.PROTECT, related_name="holds", db_index=False)
    quantity = models.PositiveIntegerField()
    restocked = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The quantity that was returned to stock"
    )
    written_off = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The quantity that was returned and cannot be sold again"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=F("restocked") + F("written_off")), name="back_at_most_held"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.stock_id}"
