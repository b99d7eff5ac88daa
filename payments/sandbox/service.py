"""The sandbox without a transport: processor, ledger and faults behind two methods."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from payments.sandbox.answer import UNAVAILABLE, Answer
from payments.sandbox.commands import Command
from payments.sandbox.commits import GroupCommit
from payments.sandbox.faults import Faults
from payments.sandbox.ledger import Ledger
from payments.sandbox.processor import Processor

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Sandbox:
    def __init__(self, ledger: Ledger, faults: Faults) -> None:
        self.faults = faults
        self._ledger = ledger
        self._processor = Processor(ledger)
        self._commits = GroupCommit(ledger)

    async def act(self, key: str, command: Command) -> Answer | None:
        """Return the answer after its commit, or None if the client must get no answer."""
        if not self.faults.latency_ms:
            return await self._act(key, command)
        # A request that has arrived is processed even if the client disconnects meanwhile.
        return await asyncio.shield(asyncio.create_task(self._act_later(key, command)))

    async def look(self, read: Callable[[Ledger], T]) -> T:
        """Read committed data from the ledger."""
        return await self._commits.run(lambda: read(self._ledger))

    async def _act_later(self, key: str, command: Command) -> Answer | None:
        await asyncio.sleep(self.faults.latency_ms / 1000)
        return await self._act(key, command)

    async def _act(self, key: str, command: Command) -> Answer | None:
        try:
            answer = await self._commits.run(lambda: self._processor.perform(key, command))
        except sqlite3.Error:
            logger.exception("The ledger could not be written. Retry the request with the same key.")
            return UNAVAILABLE
        return None if self.faults.takes_hang() else answer
