"""Books, their copies on the shelf, and loans."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

from django.db import models

from events import Money
from events.log.aggregate import Aggregate
from lending.events import LoanConfirmed, LoanRefused, LoanRequested
from lending.evolve import LoanState, evolve

CURRENCY = "EUR"


class Book(models.Model):
    """A title, and how many of its copies are neither borrowed nor reserved."""

    isbn = models.CharField(max_length=13, primary_key=True)
    title = models.CharField(max_length=200)
    deposit = models.DecimalField(max_digits=8, decimal_places=2)
    copies = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return self.title


class Loan(Aggregate):
    """One member's loan of one book. Each of its changes is an event."""

    class Status(models.TextChoices):
        REQUESTED = "requested"
        CONFIRMED = "confirmed"
        REFUSED = "refused"

    stream_kind = "loan"
    evolve = staticmethod(evolve)

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    member_id = models.UUIDField(editable=False)
    isbn = models.CharField(max_length=13, editable=False)
    holds_copy = models.BooleanField(default=False, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    reason = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return f"{self.isbn} for {self.member_id}"

    @classmethod
    def request(cls, *, member_id: UUID, isbn: str, deposit: Decimal) -> Loan:
        """A new loan, not yet saved."""
        loan = cls(member_id=member_id, isbn=isbn)
        money = Money(deposit, CURRENCY)
        loan.record(LoanRequested(loan_id=loan.id, member_id=member_id, isbn=isbn, deposit=money))
        return loan

    def confirm(self) -> None:
        self.status = self.Status.CONFIRMED
        self.record(LoanConfirmed(loan_id=self.id, member_id=self.member_id, isbn=self.isbn))

    def refuse(self, reason: str) -> None:
        self.status, self.reason = self.Status.REFUSED, reason
        self.record(LoanRefused(loan_id=self.id, reason=reason))

    def folded(self) -> LoanState:
        return LoanState(self.member_id, self.isbn, self.status, self.reason)
