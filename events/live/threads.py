"""Database access from an event loop: runs functions in threads, each with its own Django connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool of `most` threads. `keep`: a thread keeps its connection instead of returning it after each call."""

    def __init__(self, most: int, *, keep: bool = False) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="live")
        self._keep = keep

    async def run(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._call(function, args, options))

    def _call(self, function: Callable[..., T], args: tuple[object, ...], options: dict[str, object]) -> T:
        try:
            outcome = function(*args, **options)
        except BaseException:
            connection.close()  # its state is unknown, so the next call gets a new one
            raise
        if not self._keep:
            connection.close()
        return outcome

    async def close(self) -> None:
        """Returns the connections to the pool; does not wait for running functions."""
        if self._keep:
            await self.run(_close)
        self._pool.shutdown(wait=False, cancel_futures=True)


def _close() -> None:
    connection.close()  # of the thread that runs this
