"""The interface to a card processor. Every call carries an idempotency key, so every call can be retried."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class Charge:
    """A payment to authorize. `reference` is the order id, by which the processor's records are reconciled."""

    token: str
    amount: Decimal
    currency: str
    reference: str


@dataclass(frozen=True)
class Authorization:
    id: str


class Declined(Exception):
    """The processor refused the call, and a retry would be refused too: the card was declined, or the state forbids it.

    Codes besides the card's own: `voided`, `not_captured`, `already_captured`, `refund_exceeds_captured`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class GatewayUnavailable(Exception):
    """There was no usable answer, and it is unknown whether the call took effect. Retry with the same key, or void."""


class GatewayError(Exception):
    """The processor rejected the request as invalid: a bug or a wrong setting. A retry does not help."""


class Gateway(Protocol):
    """Every call can raise `Declined`, `GatewayUnavailable` and `GatewayError`, and is idempotent per key."""

    async def authorize(self, charge: Charge, key: str) -> Authorization: ...

    async def capture(self, authorization_id: str, key: str) -> None: ...

    async def void(self, authorization_key: str, key: str) -> None:
        """Release the amount held by the authorize call with `authorization_key`, even if its answer was lost.

        If that call arrives later, the processor refuses it. Raises `Declined` if the amount was captured.
        """

    async def refund(self, authorization_id: str, amount: Decimal, currency: str, key: str) -> str:
        """Return the refund's id. Raises `Declined` if the refunds would exceed the captured amount."""

    async def aclose(self) -> None: ...
