"""PostgreSQL was restarted: whoever is at work waits for it for a moment, instead of leaving all to the sweep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

from events.isolation import database_lost

log = structlog.get_logger(__name__)
T = TypeVar("T")

PAUSE = 0.2
WITHIN = 10.0
"""Seconds; a restart takes one or two."""


def patiently(work: Callable[[], T]) -> T:
    """Calls again while the connection is lost. For work that may be done twice, outside any transaction.

    Raises the last error when PostgreSQL stays away.
    """
    ends = time.monotonic() + WITHIN
    while True:
        session = None
        try:
            connection.ensure_connection()
            session = connection.connection
            return work()
        except (OperationalError, InterfaceError) as error:
            if not database_lost(error, session) or time.monotonic() > ends:
                raise
            log.warning("the database is away", error=str(error))
            connection.close()
            time.sleep(PAUSE)
