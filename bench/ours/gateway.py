"""A payment gateway that runs in this process and answers immediately, like the one of the peers."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal

from payments.gateway.port import Authorization, Charge, Declined, GatewayUnavailable
from payments.gateway.tokens import rule_for

SLOW = "tok_slow"
"""The token of a card for which every call takes `DELAY` seconds."""
DELAY = 0.3
"""Seconds per call."""


class InstantGateway:
    """Follows the sandbox's rules for tokens. `BENCH_GATEWAY_DELAY` is the duration of every call in seconds.

    It has no ledger. Its answers depend only on the request, so a repeated key gets the same answer.
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
