"""Group commit: one SQLite commit makes all writes of one event loop iteration durable."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from payments.sandbox.ledger import Ledger

T = TypeVar("T")


class GroupCommit:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open = False
        self._waiting: list[asyncio.Future[None]] = []

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` immediately and return its result after the commit.

        If `work` raises, the whole group is rolled back and every caller in it gets the error.
        """
        loop = asyncio.get_running_loop()
        if not self._open:
            self._ledger.begin()
            self._open = True
            loop.call_soon(self._commit)
        try:
            result = work()
        except BaseException as error:
            self._roll_back(error)
            raise
        committed = loop.create_future()
        self._waiting.append(committed)
        await committed
        return result

    def _commit(self) -> None:
        if not self._open:
            return
        try:
            self._ledger.commit()
        except sqlite3.Error as error:
            self._roll_back(error)
        else:
            self._wake(None)

    def _roll_back(self, error: BaseException) -> None:
        self._ledger.rollback()
        self._wake(error)

    def _wake(self, error: BaseException | None) -> None:
        waiting, self._waiting, self._open = self._waiting, [], False
        for committed in waiting:
            if committed.done():  # the client disconnected
                continue
            if error is None:
                committed.set_result(None)
            else:
                committed.set_exception(error)
