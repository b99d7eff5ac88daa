"""Returns in steps: requested, approved or rejected, received, refunded. Their events are on the order's stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from django.db import models
from uuid_utils.compat import uuid7

from events import Money
from events.declare.money_fields import AmountField
from orders.errors import IllegalTransition, ImpossibleQuantity
from orders.events import (
    Goods,
    OrderReturnApproved,
    OrderReturnReceived,
    OrderReturnRefunded,
    OrderReturnRejected,
    Received,
)
from orders.evolve import ReturnState


class ReturnStatus(models.TextChoices):
    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    RECEIVED = "received"
    REFUNDED = "refunded"


OPEN = {ReturnStatus.REQUESTED, ReturnStatus.APPROVED}
"""The customer still has the goods, and cannot ask to return them a second time."""


class Return(models.Model):
    """Goods of an order that the customer wants to return or has returned. `ReturnOrder` moves the money and the stock.

    Each transition records its event on `order`; the caller saves both. Load the lines with their order lines.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("orders.Order", on_delete=models.CASCADE, related_name="returns")
    status = models.CharField(max_length=10, choices=ReturnStatus, default=ReturnStatus.REQUESTED)
    reason = models.CharField(max_length=100, help_text="Why the customer returns the goods")
    reject_reason = models.CharField(max_length=100, blank=True, help_text="Why staff rejected the return")
    warehouse = models.CharField(
        max_length=20,
        blank=True,
        help_text="Where the goods arrived; without one, they go back to the warehouses that they came from",
    )
    refund = AmountField(help_text="The price of what was requested; once received, what is refunded for it")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["status", "-id"], name="return_status")]
        default_permissions = ("view",)
        permissions = [
            ("approve_return", "Can approve and reject returns"),
            ("receive_return", "Can receive returned goods"),
        ]

    def __str__(self) -> str:
        return f"{self.money} for {self.reason}"

    @property
    def money(self) -> Money:
        return Money(self.refund, self.order.currency)

    def asked(self) -> Counter[str]:
        """The quantities, by SKU, that the customer has asked to return; none once they are rejected or received."""
        return Counter({one.line.sku: one.quantity for one in self.lines.all()} if self.status in OPEN else {})

    def approve(self) -> None:
        """The customer may send the goods. Raises IllegalTransition."""
        self._move(ReturnStatus.REQUESTED, to=ReturnStatus.APPROVED)
        self.order.record(OrderReturnApproved(order_id=self.order_id, return_id=self.id))

    def reject(self, reason: str) -> None:
        """Nothing comes back and nothing is refunded. Raises IllegalTransition."""
        self._move(ReturnStatus.REQUESTED, to=ReturnStatus.REJECTED)
        self.reject_reason, self.refund = reason, Decimal(0)
        self.order.record(OrderReturnRejected(order_id=self.order_id, return_id=self.id, reason=reason))

    def receive(self, pieces: Sequence[Received], warehouse: str) -> None:
        """Takes back what arrived: all that was requested, a part, or nothing. Needs the order's lines.

        Raises IllegalTransition, and ImpossibleQuantity for more pieces than were requested.
        """
        self._move(ReturnStatus.APPROVED, to=ReturnStatus.RECEIVED)
        arrived = [piece for piece in pieces if piece.quantity]
        self._count(pieces)
        self.warehouse = warehouse
        self.order.record(
            OrderReturnReceived(order_id=self.order_id, return_id=self.id, items=tuple(arrived), warehouse=warehouse)
        )
        goods = [Goods(sku=one.line.sku, quantity=one.received) for one in self.lines.all() if one.received]
        self.refund = self.order.take_back(self.id, goods, self.reason).amount if goods else Decimal(0)

    def close(self) -> None:
        """The money is on its way and the goods are where they belong. Raises IllegalTransition."""
        self._move(ReturnStatus.RECEIVED, to=ReturnStatus.REFUNDED)
        self.order.record(OrderReturnRefunded(order_id=self.order_id, return_id=self.id, refund=self.money))

    def folded(self) -> ReturnState:
        status = ReturnStatus.RECEIVED if self.status == ReturnStatus.REFUNDED else self.status
        lines = self.lines.all()
        return ReturnState(
            status,
            {one.line.sku: one.quantity for one in lines},
            {one.line.sku: one.restocked for one in lines if one.restocked},
            {one.line.sku: one.written_off for one in lines if one.written_off},
            self.warehouse,
        )

    def _count(self, pieces: Sequence[Received]) -> None:
        """Adds the pieces to their lines."""
        by_sku = {one.line.sku: one for one in self.lines.all()}
        for index, piece in enumerate(pieces):
            if piece.sku not in by_sku:
                raise ImpossibleQuantity("not-requested", index, f"{piece.sku!r} is not in this return.", field="sku")
            one = by_sku[piece.sku]
            one.add(piece)
            if one.received > one.quantity:
                raise ImpossibleQuantity(
                    "more-than-requested", index, f"At most {one.quantity} of {piece.sku} are in this return."
                )

    def _move(self, expected: ReturnStatus, *, to: ReturnStatus) -> None:
        if self.status != expected:
            raise IllegalTransition(f"This return is {self.status}, so it cannot become {to}.")
        self.status = to


class ReturnLine(models.Model):
    """How much of a line the customer wants to return, and what the warehouse did with what arrived."""

    taken = models.ForeignKey(Return, on_delete=models.CASCADE, related_name="lines")
    line = models.ForeignKey("orders.OrderLine", on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = models.PositiveIntegerField(help_text="What was requested")
    restocked = models.PositiveIntegerField(default=0, db_default=0, help_text="What arrived and can be sold again")
    written_off = models.PositiveIntegerField(default=0, db_default=0, help_text="What arrived and cannot be sold")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quantity__gte=models.F("restocked") + models.F("written_off")),
                name="received_at_most_requested",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.line.sku}"

    @property
    def received(self) -> int:
        return self.restocked + self.written_off

    def add(self, piece: Received) -> None:
        if piece.condition == "write_off":
            self.written_off += piece.quantity
        else:
            self.restocked += piece.quantity
