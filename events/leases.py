"""Leases are renewed while their holder lives: work may take long, and what a dead process held is soon free again.

A lease runs for TERM seconds at first. A thread of the process that holds it puts its end off, again and again,
until the holder lets go. A process that was frozen for longer has lost it: its renewal finds another's lease, and
changes nothing. A worker that is told to stop hands back what it holds, so that nobody waits for the term.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections

from events import sql
from events.errors import TimeLimitExceeded
from events.patience import patiently
from events.time_limit import limited

log = structlog.get_logger(__name__)

TERM = 15.0
"""Seconds for which a lease lasts without a sign of its holder."""
EVERY = 4.0
"""Seconds between two renewals; what is held for a shorter time costs nothing."""
PATIENCE = 3.0
"""Seconds that handing back may take; a worker that stops has no more."""


@dataclass(frozen=True)
class Rows:
    """Statements on what is leased, both with `lease` and the holder's parameters; `renew` also takes `seconds`.

    `hand_back` makes it due at once, as if this try had not been made.
    """

    renew: str
    hand_back: str


def first_term(longest: float) -> float:
    """Seconds for which a lease is taken, if the work may take so many."""
    return min(longest, TERM)


@contextmanager
def held(lease: UUID, rows: Rows, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Renews within the block; hands back where the worker ends in the middle of it, or PostgreSQL was restarted."""
    hold(lease, rows, parameters)
    try:
        yield
    except SystemExit:
        hand_back()
        raise
    except (OperationalError, InterfaceError):
        patiently(partial(sql.run, rows.hand_back, {**parameters, "lease": lease}))
        raise
    finally:
        let_go(lease)


def hold(lease: UUID, rows: Rows, parameters: Mapping[str, Any]) -> None:
    """Renews until `let_go`; better is `held`, where the work is one block."""
    _keeper(os.getpid()).held[lease] = (time.monotonic(), rows, parameters)


def let_go(lease: UUID) -> None:
    """Ends the renewal, not the lease: that ends with its term, or with what its holder writes."""
    _keeper(os.getpid()).held.pop(lease, None)


def hand_back() -> None:
    """All that this process holds is due at once. Its last act: whatever it still writes, it writes under its lease."""
    keeper = _keeper(os.getpid())
    try:
        with limited(PATIENCE):
            keeper.hand_back()
    except (DatabaseError, InterfaceError, TimeLimitExceeded) as error:
        log.warning("leases not handed back; they run out", error=str(error))


class _Keeper:
    """One per process; a thread does not survive a fork."""

    def __init__(self) -> None:
        self.held: dict[UUID, tuple[float, Rows, Mapping[str, Any]]] = {}
        self._turn = threading.Lock()

    def run(self) -> None:
        while True:
            time.sleep(EVERY)
            try:
                self.renew()
            except (DatabaseError, InterfaceError) as error:
                log.warning("leases not renewed", error=str(error))
            finally:
                close_old_connections()

    def renew(self) -> None:
        """What was taken a moment ago is left for the next turn."""
        taken_before = time.monotonic() - EVERY / 2
        with self._turn:
            for lease, (since, rows, parameters) in tuple(self.held.items()):
                if since < taken_before:
                    sql.run(rows.renew, {**parameters, "lease": lease, "seconds": TERM})

    def hand_back(self) -> None:
        with self._turn:
            while self.held:
                lease, (_, rows, parameters) = self.held.popitem()
                sql.run(rows.hand_back, {**parameters, "lease": lease})
                log.info("handed back", lease=str(lease), rows=len(parameters["ids"]))


@cache
def _keeper(pid: int) -> _Keeper:
    keeper = _Keeper()
    threading.Thread(target=keeper.run, name="leases", daemon=True).start()
    return keeper
