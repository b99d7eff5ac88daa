"""An amount in a currency; on the wire `{"amount": "19.99", "currency": "EUR"}`."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from events.declare.currencies import DECIMALS, SMALLEST

# `(?!\n)`: Python's `$` also matches before a trailing newline.
Amount = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,10}(\.[0-9]{1,20})?$(?!\n)",
        description="At most as many decimals as the currency has",
        examples=["9.90"],
    ),
]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3, description="ISO 4217", examples=["EUR"])]

_quantize = Context(prec=100).quantize


class BadMoney(ValueError):
    """No such currency, or an amount that it cannot express. `field` is the name of the invalid field."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amounts are decimal strings on the wire, never floats, with exactly the decimals of their currency.

    Old events can hold what `of` refuses: an unknown currency, or more decimals. They stay as they are.
    """

    amount: Decimal
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]

    def __post_init__(self) -> None:
        smallest = SMALLEST.get(self.currency)
        if smallest is not None and not self.amount.same_quantum(smallest) and self.amount.is_finite():
            exact = _quantize(self.amount, smallest)
            if exact == self.amount:
                force_setattr(self, "amount", exact)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Money:
        """Money from outside. Raises BadMoney for an unknown currency and for more decimals than it has, even zeros."""
        check_currency(currency)
        decimals, most = -int(amount.as_tuple().exponent), DECIMALS[currency]
        if decimals > most:
            allowed = f"at most {most} decimals" if most else "no decimals"
            raise BadMoney("amount", f"An amount in {currency} has {allowed}. Round it.")
        return cls(amount, currency)


class SentMoney(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money as a client sends it."""

    amount: Amount
    currency: Currency

    @property
    def money(self) -> Money:
        """Raises BadMoney."""
        return Money.of(Decimal(self.amount), self.currency)


def check_currency(code: str) -> None:
    """Raises BadMoney for a code that ISO 4217 does not have, or has in capitals only."""
    if code not in DECIMALS:
        raise BadMoney("currency", f"{code!r} is not a currency. Use a code of ISO 4217 in capitals, such as EUR.")
