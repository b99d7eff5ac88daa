"""Members, the deposits that they have paid, and the letters to them."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

from django.db import models

from events import Money, Refused
from events.log.aggregate import Aggregate
from members.events import DepositRepaid, DepositTaken, MemberJoined
from members.evolve import MemberState, evolve

CURRENCY = "EUR"


class Member(Aggregate):
    """A member with a balance. Each of its changes is an event."""

    stream_kind = "member"
    evolve = staticmethod(evolve)

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=100)
    balance = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def join(cls, name: str, paid_in: Decimal) -> Member:
        """A new member, not yet saved."""
        member = cls(name=name, balance=paid_in)
        member.record(MemberJoined(member_id=member.id, paid_in=Money(paid_in, CURRENCY)))
        return member

    def take_deposit(self, loan_id: UUID, amount: Money) -> None:
        """Raises Refused if the balance is too small."""
        if self.balance < amount.amount:
            raise Refused("balance_too_small", f"{amount.amount} needed, {self.balance} available.")
        self.balance -= amount.amount
        self.record(DepositTaken(member_id=self.id, loan_id=loan_id, amount=amount))

    def repay_deposit(self, loan_id: UUID, amount: Money) -> None:
        self.balance += amount.amount
        self.record(DepositRepaid(member_id=self.id, loan_id=loan_id, amount=amount))

    def folded(self) -> MemberState:
        return MemberState(self.balance)


class Deposit(models.Model):
    """What a member paid for a loan. The row tells a step that runs twice what it has done."""

    loan_id = models.UUIDField(primary_key=True)
    member = models.ForeignKey(Member, on_delete=models.PROTECT)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    repaid = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.amount} for {self.loan_id}"


class Letter(models.Model):
    """What the library tells a member."""

    loan_id = models.UUIDField(unique=True)
    member_id = models.UUIDField()
    text = models.TextField()

    def __str__(self) -> str:
        return self.text
