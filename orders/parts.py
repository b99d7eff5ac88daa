"""The parts of an order: its lines, and its parcels, cancellations and refunds, which refer to lines."""

from __future__ import annotations

from django.db import models
from uuid_utils.compat import uuid7

from events import Money
from events.declare.money_fields import AmountField
from orders.evolve import LineState


class OrderLine(models.Model):
    """One product of an order, at the price when the order was placed."""

    order = models.ForeignKey("orders.Order", on_delete=models.CASCADE, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = AmountField()
    shipped_quantity = models.PositiveIntegerField(default=0)
    returned_quantity = models.PositiveIntegerField(default=0)
    cancelled_quantity = models.PositiveIntegerField(
        default=0, db_default=0, help_text="What was cancelled after other items of the order had been shipped"
    )

    class Meta:
        ordering = ["order_id", "position"]
        indexes = [models.Index(fields=["sku", "order"], name="line_sku")]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="one_line_per_position"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="line_quantity_positive"),
            models.CheckConstraint(
                condition=models.Q(shipped_quantity__lte=models.F("quantity") - models.F("cancelled_quantity")),
                name="shipped_and_cancelled_at_most_ordered",
            ),
            models.CheckConstraint(
                condition=models.Q(returned_quantity__lte=models.F("shipped_quantity")),
                name="returned_at_most_shipped",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.sku}"

    @property
    def price(self) -> Money:
        return Money(self.unit_price, self.order.currency)

    @property
    def line_total(self) -> Money:
        return Money(self.unit_price * self.quantity, self.order.currency)

    @property
    def to_ship(self) -> int:
        return self.quantity - self.shipped_quantity - self.cancelled_quantity

    @property
    def to_return(self) -> int:
        return self.shipped_quantity - self.returned_quantity

    def folded(self, currency: str) -> LineState:
        price = Money(self.unit_price, currency)
        return LineState(
            self.sku, self.quantity, price, self.shipped_quantity, self.returned_quantity, self.cancelled_quantity
        )


class Shipment(models.Model):
    """A parcel with items of an order."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("orders.Order", on_delete=models.CASCADE, related_name="shipments")
    carrier = models.CharField(max_length=100)
    tracking_number = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True, help_text="When its carrier reported that the customer has it")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["tracking_number"], name="shipment_tracking")]

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_number}"


class PartOfLine(models.Model):
    """So much of one line of the order."""

    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = models.PositiveIntegerField()

    class Meta:
        abstract = True
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.line.sku}"


class ShipmentLine(PartOfLine):
    """What of a line is in this parcel."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines")


class RefundRequest(models.Model):
    """Money that staff give back without a return; `RefundOrder` refunds it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("orders.Order", on_delete=models.CASCADE, related_name="refund_requests")
    amount = AmountField()
    reason = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{Money(self.amount, self.order.currency)} for {self.reason}"


class Cancellation(models.Model):
    """Items of a partially shipped order that will not be shipped, and what is refunded; see `CancelItems`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("orders.Order", on_delete=models.CASCADE, related_name="cancellations")
    reason = models.CharField(max_length=100)
    refund = AmountField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.money} for {self.reason}"

    @property
    def money(self) -> Money:
        return Money(self.refund, self.order.currency)


class CancellationLine(PartOfLine):
    """What of a line is cancelled."""

    cancellation = models.ForeignKey(Cancellation, on_delete=models.CASCADE, related_name="lines")
