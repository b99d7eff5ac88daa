"""An amount in a currency; on the wire `{"amount": "19.99", "currency": "EUR"}`."""

from decimal import Decimal
from typing import Annotated

import msgspec


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amounts are decimal strings on the wire, never floats."""

    amount: Decimal
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
