"""Group commit: one thread writes the items of all threads that are waiting, in one transaction.

There is no fixed delay. A thread that finds no write in progress starts immediately with its own item. Threads that
arrive during a write form the next group, which starts as soon as that write ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """`work` processes a list of items in one transaction and returns one outcome per item, in the same order."""

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]], most: int = 100) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Waiter[T, R]] = []
        self._under_way = False

    def __call__(self, item: T) -> R:
        """Returns the item's outcome. Raises what `work` raises for this item alone, or the database's own errors."""
        waiter = _Waiter[T, R](item)
        with self._lock:
            self._waiting.append(waiter)
            first, self._under_way = not self._under_way, True
        if not first:
            waiter.called.acquire()
        if not waiter.served:
            self._lead(waiter)
        if waiter.error is not None:
            raise type(waiter.error)(*waiter.error.args) from waiter.error
        return waiter.outcomes[0] if waiter.outcomes else self._work([item])[0]

    def _lead(self, own: _Waiter[T, R]) -> None:
        time.sleep(0)  # yields the CPU to threads that are about to arrive: under load this doubles the batches
        with self._lock:
            waiters, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            self._serve(waiters)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._under_way = following is not None
            if following is not None:
                following.called.release()
            for waiter in waiters:
                waiter.served = True
                if waiter is not own:
                    waiter.called.release()

    def _serve(self, waiters: Sequence[_Waiter[T, R]]) -> None:
        """If one item makes the whole group fail, every item is left without an outcome and retried alone."""
        try:
            for waiter, outcome in zip(waiters, self._work([waiter.item for waiter in waiters]), strict=True):
                waiter.outcomes.append(outcome)
        except (OperationalError, InterfaceError) as error:
            for waiter in waiters:
                waiter.error = error
        except Exception:
            if len(waiters) == 1:
                raise
            for waiter in waiters:
                waiter.outcomes.clear()


class _Waiter(Generic[T, R]):
    def __init__(self, item: T) -> None:
        self.item = item
        self.outcomes: list[R] = []
        self.error: Exception | None = None
        self.served = False
        self.called = threading.Lock()
        self.called.acquire()
