"""A payment gateway that is a function of this process, as the one that the peers call: it answers at once."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal

from payments.gateway.port import Authorization, Charge, Declined, GatewayUnavailable
from payments.gateway.tokens import rule_for

SLOW = "tok_slow"
"""The token of a card whose every call takes `DELAY`."""
DELAY = 0.3
"""Seconds."""


class InstantGateway:
    """Approves by the sandbox's rules for tokens. `BENCH_GATEWAY_DELAY` is the time of every call, in seconds.

    Keeps no books: its answers follow from what it is asked, so one key is answered alike however often it comes.
    """

    def __init__(self, *, timeout: float) -> None:
        self.timeout = timeout
        self.delay = float(os.environ.get("BENCH_GATEWAY_DELAY", "0"))

    async def authorize(self, charge: Charge, key: str) -> Authorization:
        slow = charge.token == SLOW
        await self._takes_its_time(slow)
        rule = rule_for("tok_visa" if slow else charge.token)
        if rule.decline:
            raise Declined(rule.decline.code, rule.decline.message)
        if rule.silent:
            await asyncio.sleep(self.timeout)
            raise GatewayUnavailable("The processor did not answer.")
        return Authorization(f"{'slow' if slow else 'auth'}_{key}")

    async def capture(self, authorization_id: str, key: str) -> None:
        await self._takes_its_time(authorization_id.startswith("slow_"))

    async def void(self, authorization_key: str, key: str) -> None:
        await self._takes_its_time(slow=False)

    async def refund(self, authorization_id: str, amount: Decimal, currency: str, key: str) -> str:
        await self._takes_its_time(authorization_id.startswith("slow_"))
        return f"refund_{key}"

    async def aclose(self) -> None:
        pass

    async def _takes_its_time(self, slow: bool) -> None:
        if seconds := DELAY if slow else self.delay:
            await asyncio.sleep(seconds)
