"""Renewal of leases: long work keeps its lease, and the lease of a crashed process expires soon.

A lease runs for TERM seconds at first. A thread of the process that holds it puts its end off, again and again,
until the holder lets go. A process that was frozen for longer has lost it: its renewal finds another's lease, and
changes nothing. A worker that is told to stop releases what it holds, so that other workers need not wait for the term.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections

from events.db.query import execute
from events.db.reconnect import retry_on_disconnect
from events.db.time_limit import limited
from events.errors import TimeLimitExceeded

log = structlog.get_logger(__name__)

TERM = 15.0
"""Seconds until a lease expires without renewal."""
EVERY = 4.0
"""Seconds between two renewals; what is held for a shorter time costs nothing."""
PATIENCE = 3.0
"""Seconds that the release of all leases may take; a worker that stops has no more."""


@dataclass(frozen=True)
class Rows:
    """Two SQL statements on leased rows. Both take `lease` and the holder's parameters; `renew` also takes `seconds`.

    `release` makes it due now, as if this try had not been made.
    """

    renew: str
    release: str


def first_term(longest: float) -> float:
    """The first term, in seconds, of a lease for work that takes at most `longest` seconds."""
    return min(longest, TERM)


@contextmanager
def held(lease: UUID, rows: Rows, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Renews within the block; releases where the worker ends in the middle of it, or PostgreSQL was restarted."""
    hold(lease, rows, parameters)
    try:
        yield
    except SystemExit:
        release_all()
        raise
    except (OperationalError, InterfaceError):
        retry_on_disconnect(execute)(rows.release, {**parameters, "lease": lease})
        raise
    finally:
        let_go(lease)


def hold(lease: UUID, rows: Rows, parameters: Mapping[str, Any]) -> None:
    """Renews the lease until `let_go`. Prefer `held` if the work is one block."""
    _keeper(os.getpid()).held[lease] = (time.monotonic(), rows, parameters)


def let_go(lease: UUID) -> None:
    """Stops the renewal. The lease itself ends with its term, or when its holder writes the outcome."""
    _keeper(os.getpid()).held.pop(lease, None)


def release_all() -> None:
    """All that this process holds is due now. Its last act: whatever it still writes, it writes under its lease."""
    keeper = _keeper(os.getpid())
    try:
        with limited(PATIENCE):
            keeper.release_all()
    except (DatabaseError, InterfaceError, TimeLimitExceeded) as error:
        log.warning("leases not released; they run out", error=str(error))


class _Keeper:
    """Renews the leases of one process; one per process, because threads do not survive a fork."""

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
        """Renews every lease except those taken within the last half interval."""
        taken_before = time.monotonic() - EVERY / 2
        with self._turn:
            for lease, (since, rows, parameters) in tuple(self.held.items()):
                if since < taken_before:
                    execute(rows.renew, {**parameters, "lease": lease, "seconds": TERM})

    def release_all(self) -> None:
        with self._turn:
            while self.held:
                lease, (_, rows, parameters) = self.held.popitem()
                execute(rows.release, {**parameters, "lease": lease})
                log.info("lease released", lease=str(lease), rows=len(parameters["ids"]))


@cache
def _keeper(pid: int) -> _Keeper:
    keeper = _Keeper()
    threading.Thread(target=keeper.run, name="leases", daemon=True).start()
    return keeper
