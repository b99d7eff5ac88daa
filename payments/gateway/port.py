"""What payments asks of a card processor. Every call carries an idempotency key, so any may be repeated."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class Charge:
    """`reference` is the order's id: the processor's books are reconciled by it."""

    token: str
    amount: Decimal
    currency: str
    reference: str


@dataclass(frozen=True)
class Authorization:
    id: str


class Declined(Exception):
    """The processor said no, and will say no again: a card's refusal, or a state that forbids the call.

    Codes beside the card's own: `voided`, `not_captured`, `already_captured`, `refund_exceeds_captured`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class GatewayUnavailable(Exception):
    """No usable answer came, and the processor may have acted: retry with the same key, or void by key."""


class GatewayError(Exception):
    """The processor did not understand the call: a bug or a wrong setting, which no retry will mend."""


class Gateway(Protocol):
    """Every call raises `Declined`, `GatewayUnavailable` or `GatewayError`; one key never acts twice."""

    async def authorize(self, charge: Charge, key: str) -> Authorization: ...

    async def capture(self, authorization_id: str, key: str) -> None: ...

    async def void(self, authorization_key: str, key: str) -> None:
        """Release whatever the authorize call with `authorization_key` holds, known or not.

        When that call has not arrived yet, it is refused once it does. `Declined` if already captured.
        """

    async def refund(self, authorization_id: str, amount: Decimal, currency: str, key: str) -> str:
        """Return the refund's id; `Declined` when it would exceed what was captured."""

    async def aclose(self) -> None: ...
