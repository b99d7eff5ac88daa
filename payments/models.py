"""The payment of an order and its refunds. They hold only the processor's tokens, never card data."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db import models

from events import Money
from events.declare.money_fields import AmountField
from events.log.aggregate import Aggregate
from payments.events import (
    PaymentAuthorized,
    PaymentFailed,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
    PaymentVoided,
)
from payments.evolve import PaymentState, evolve, short


class PaymentStatus(models.TextChoices):
    PENDING = "pending"
    AUTHORIZED = "authorized"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    VOIDED = "voided"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class Payment(Aggregate):
    """The payment of one order. `authorization_key` can void an authorization even if its answer was lost."""

    stream_kind = "payment"
    evolve = staticmethod(evolve)

    order_id = models.UUIDField(primary_key=True, editable=False)
    token = models.CharField(max_length=255, editable=False)
    amount = AmountField()
    currency = models.CharField(max_length=3)
    refunded = AmountField(default=Decimal(0), db_default=Decimal(0))
    status = models.CharField(max_length=20, choices=PaymentStatus, default=PaymentStatus.PENDING)
    reason = models.CharField(max_length=100, blank=True)
    authorization_key = models.CharField(max_length=255, editable=False)
    authorization_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-order_id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(refunded__lte=models.F("amount")), name="refunded_at_most_captured"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.money}: {self.status}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    def authorize(self, authorization_id: str) -> None:
        self.status, self.authorization_id = PaymentStatus.AUTHORIZED, authorization_id
        self.record(PaymentAuthorized(order_id=self.order_id, amount=self.money, authorization_id=authorization_id))

    def fail(self, reason: str, detail: str) -> None:
        self.status, self.reason = PaymentStatus.FAILED, short(reason)
        self.record(PaymentFailed(order_id=self.order_id, reason=reason, detail=detail))

    def succeed(self) -> None:
        self.status = PaymentStatus.SUCCEEDED
        self.record(PaymentSucceeded(order_id=self.order_id, amount=self.money))

    def void(self) -> None:
        self.status = PaymentStatus.VOIDED
        self.record(PaymentVoided(order_id=self.order_id))

    def refund(self, amount: Decimal, refund_id: str, part: UUID) -> None:
        """Some of the money, or all of it. The database refuses a refund of more than was captured."""
        self.refunded += amount
        complete = self.refunded >= self.amount
        self.status = PaymentStatus.REFUNDED if complete else PaymentStatus.PARTIALLY_REFUNDED
        self.record(
            PaymentRefunded(
                order_id=self.order_id, amount=Money(amount, self.currency), refund_id=refund_id, complete=complete,
                part=part,
            )
        )  # fmt: skip

    def fail_refund(self, amount: Decimal, part: UUID, *, reason: str, detail: str) -> None:
        """Records that money could not be given back. It changes nothing of the payment."""
        self.record(
            PaymentRefundFailed(
                order_id=self.order_id, amount=Money(amount, self.currency), part=part, reason=reason, detail=detail
            )
        )  # fmt: skip

    def folded(self) -> PaymentState:
        held = self.money if self.authorization_id else None
        return PaymentState(self.status, held, self.authorization_id, self.reason, self.refunded)


class Refund(models.Model):
    """Money refunded; `key` is the idempotency key that the processor knows it by."""

    key = models.CharField(max_length=255, primary_key=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    amount = AmountField()
    refund_id = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.money)

    @property
    def money(self) -> Money:
        return Money(self.amount, self.payment.currency)
