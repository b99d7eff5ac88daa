"""Leases are renewed while their holder lives: work may take long, and what a dead process held is soon free again.

A lease runs for TERM seconds at first. A thread of the process that holds it puts its end off, again and again,
until the holder lets go. A process that was frozen for longer has lost it: its renewal finds another's lease, and
changes nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections

from events import sql

log = structlog.get_logger(__name__)

TERM = 15.0
"""Seconds for which a lease lasts without a sign of its holder."""
EVERY = 4.0
"""Seconds between two renewals; what is held for a shorter time costs nothing."""


def first_term(longest: float) -> float:
    """Seconds for which a lease is taken, if the work may take so many."""
    return min(longest, TERM)


@contextmanager
def held(lease: UUID, renewal: str, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Renews within the block; `renewal` is a statement that takes `lease`, `seconds` and the parameters."""
    hold(lease, renewal, parameters)
    try:
        yield
    finally:
        let_go(lease)


def hold(lease: UUID, renewal: str, parameters: Mapping[str, Any]) -> None:
    """Renews until `let_go`; better is `held`, where the work is one block."""
    _keeper(os.getpid()).held[lease] = (time.monotonic(), renewal, parameters)


def let_go(lease: UUID) -> None:
    """Ends the renewal, not the lease: that ends with its term, or with what its holder writes."""
    _keeper(os.getpid()).held.pop(lease, None)


class _Keeper:
    """One per process; a thread does not survive a fork."""

    def __init__(self) -> None:
        self.held: dict[UUID, tuple[float, str, Mapping[str, Any]]] = {}

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
        for lease, (since, renewal, parameters) in tuple(self.held.items()):
            if since < taken_before:
                sql.run(renewal, {**parameters, "lease": lease, "seconds": TERM})


@cache
def _keeper(pid: int) -> _Keeper:
    keeper = _Keeper()
    threading.Thread(target=keeper.run, name="leases", daemon=True).start()
    return keeper
