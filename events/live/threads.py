"""The database from an event loop: functions run in threads, each with a connection of Django's."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """`keep`: the connection stays with its thread instead of going back to the pool after each call."""

    def __init__(self, most: int, *, keep: bool = False) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="live")
        self._keep = keep

    async def run(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._call(function, args, options))

    def _call(self, function: Callable[..., T], args: tuple[object, ...], options: dict[str, object]) -> T:
        try:
            outcome = function(*args, **options)
        except BaseException:
            connection.close()  # whatever state it is in, the next call gets another
            raise
        if not self._keep:
            connection.close()
        return outcome

    async def close(self) -> None:
        """Gives the connections back; what still runs is not waited for."""
        if self._keep:
            await self.run(_close)
        self._pool.shutdown(wait=False, cancel_futures=True)


def _close() -> None:
    """The connection of the thread that runs this."""
    connection.close()
