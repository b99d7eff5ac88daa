"""Group commit: what several threads of a process ask at the same instant is written by one of them, at once.

There is no pause for others to come. Who finds nothing under way begins at once, alone; whoever comes meanwhile goes
together with all others that did, as soon as the first is back.
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
    """`work` gives an outcome for each of its items, in their order, in one transaction."""

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]], most: int = 100) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Seat[T, R]] = []
        self._under_way = False

    def __call__(self, item: T) -> R:
        """Its outcome. Raises what `work` raises of this item alone, or that the database is away."""
        seat = _Seat[T, R](item)
        with self._lock:
            self._waiting.append(seat)
            first, self._under_way = not self._under_way, True
        if not first:
            seat.called.acquire()
        if not seat.served:
            self._lead(seat)
        if seat.error is not None:
            raise type(seat.error)(*seat.error.args) from seat.error
        return seat.outcomes[0] if seat.outcomes else self._work([item])[0]

    def _lead(self, own: _Seat[T, R]) -> None:
        time.sleep(0)  # lets go on who is about to come: under load the batches get twice as large
        with self._lock:
            seats, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            self._serve(seats)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._under_way = following is not None
            if following is not None:
                following.called.release()
            for seat in seats:
                seat.served = True
                if seat is not own:
                    seat.called.release()

    def _serve(self, seats: Sequence[_Seat[T, R]]) -> None:
        """Where one item spoils the work of all, each is left without an outcome, to be tried alone."""
        try:
            for seat, outcome in zip(seats, self._work([seat.item for seat in seats]), strict=True):
                seat.outcomes.append(outcome)
        except (OperationalError, InterfaceError) as error:
            for seat in seats:
                seat.error = error
        except Exception:
            if len(seats) == 1:
                raise
            for seat in seats:
                seat.outcomes.clear()


class _Seat(Generic[T, R]):
    def __init__(self, item: T) -> None:
        self.item = item
        self.outcomes: list[R] = []
        self.error: Exception | None = None
        self.served = False
        self.called = threading.Lock()
        self.called.acquire()
