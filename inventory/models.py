"""Products, warehouses, stock, and what is reserved of it for orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import models
from django.db.models import F, Q

from events import Money
from events.aggregate import Aggregate
from inventory.events import (
    Allocation,
    InventoryCommitted,
    InventoryRejected,
    InventoryReleased,
    InventoryReserved,
    InventoryRestocked,
    Shortage,
)
from inventory.evolve import Holding, evolve

HOLD_FOR = timedelta(hours=1)


class Product(models.Model):
    """Something for sale, at one price."""

    sku = models.CharField("SKU", max_length=64, primary_key=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default="EUR")
    active = models.BooleanField(default=True, help_text="For sale")
    low_stock = models.PositiveIntegerField(default=0, help_text="Below this many available, inventory.low is told")

    class Meta:
        ordering = ["sku"]
        constraints = [models.CheckConstraint(condition=Q(price__gte=0), name="price_not_negative")]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"

    @property
    def money(self) -> Money:
        return Money(self.price, self.currency)


class Warehouse(models.Model):
    """Holds are allocated to the warehouse of the lowest priority number first."""

    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=100)
    priority = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["priority", "code"]

    def __str__(self) -> str:
        return self.name


class Stock(models.Model):
    """How much of a product is in a warehouse, and how much of that is held for orders."""

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
    """What one order has of the stock. Its holds remember from which warehouse."""

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
        """`whole`: with this, all that was committed is back."""
        if whole:
            self.state = ReservationState.RESTOCKED
        self.record(InventoryRestocked(order_id=self.order_id, allocations=tuple(allocations)))

    def folded(self) -> Holding:
        holds = self.holds.all()
        places = {hold: (hold.stock.product_id, hold.stock.warehouse_id) for hold in holds}
        restocked = {places[hold]: hold.restocked for hold in holds if hold.restocked}
        return Holding(self.state, {place: hold.quantity for hold, place in places.items()}, restocked)


class Hold(models.Model):
    """So much of one warehouse's stock for a reservation."""

    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="holds")
    stock = models.ForeignKey(Stock, on_delete=models.PROTECT, related_name="holds", db_index=False)
    quantity = models.PositiveIntegerField()
    restocked = models.PositiveIntegerField(default=0, db_default=0, help_text="How much of it came back")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(restocked__lte=F("quantity")), name="restocked_at_most_held"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.stock_id}"
