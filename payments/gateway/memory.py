"""A gateway without a network: the sandbox's rules and ledger, run in this process."""

import asyncio
from decimal import Decimal

from payments.gateway.answers import read_answer
from payments.gateway.port import Authorization, Charge, GatewayError, GatewayUnavailable
from payments.sandbox.answer import Answer
from payments.sandbox.commands import (
    Authorize,
    Capture,
    Command,
    Malformed,
    Refund,
    VoidKey,
    checked_key,
    parse,
)
from payments.sandbox.faults import Faults
from payments.sandbox.ledger import Ledger
from payments.sandbox.service import Sandbox


class InProcessGateway:
    """Use it from one event loop at a time. `faults` switches outages on; `ledger` reads the recorded operations."""

    def __init__(self, *, timeout: float = 5.0) -> None:
        self.faults = Faults()
        self.ledger = Ledger(":memory:")
        self._sandbox = Sandbox(self.ledger, self.faults)
        self._timeout = timeout

    async def authorize(self, charge: Charge, key: str) -> Authorization:
        fields = {
            "token": charge.token,
            "amount": f"{charge.amount:f}",
            "currency": charge.currency,
            "reference": charge.reference,
        }
        return Authorization(await self._ask(Authorize, fields, key))

    async def capture(self, authorization_id: str, key: str) -> None:
        await self._ask(Capture, {"authorizationId": authorization_id}, key)

    async def void(self, authorization_key: str, key: str) -> None:
        await self._ask(VoidKey, {"authorizationKey": authorization_key}, key)

    async def refund(self, authorization_id: str, amount: Decimal, currency: str, key: str) -> str:
        fields = {"authorizationId": authorization_id, "amount": f"{amount:f}", "currency": currency}
        return await self._ask(Refund, fields, key)

    async def aclose(self) -> None:
        self.ledger.close()

    async def _ask(self, kind: type[Command], fields: dict[str, str], key: str) -> str:
        if self.faults.outage:
            raise GatewayUnavailable("The processor is down.")
        try:
            command, key = parse(kind, fields), checked_key(key)
        except Malformed as error:
            raise GatewayError(str(error)) from error
        answer = await self._answer(key, command)
        if answer is None:
            raise GatewayUnavailable("The processor did not answer.")
        return read_answer(answer.status, answer.body)

    async def _answer(self, key: str, command: Command) -> Answer | None:
        """None if the sandbox does not answer, after the same timeout as over a network."""
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._sandbox.act(key, command)
                if answer is None:
                    await asyncio.sleep(self._timeout)
                return answer
        except TimeoutError:
            return None
