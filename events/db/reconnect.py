"""PostgreSQL was restarted: work in progress waits for a moment, instead of leaving everything to a later retry."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

from events.db.bisect import database_lost

log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

PAUSE = 0.2
"""Seconds between two calls."""
WITHIN = 10.0
"""Seconds for which it calls again; a restart takes one or two."""


def retry_on_disconnect(work: Callable[P, T]) -> Callable[P, T]:
    """The decorated function is called again while the connection to PostgreSQL is lost.

    For work that may be done twice, outside any transaction. Raises the last error if PostgreSQL stays down.
    """

    @wraps(work)
    def retried(*args: P.args, **kwargs: P.kwargs) -> T:
        ends = time.monotonic() + WITHIN
        while True:
            session = None
            try:
                connection.ensure_connection()
                session = connection.connection
                return work(*args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                if not database_lost(error, session) or time.monotonic() > ends:
                    raise
                log.warning("PostgreSQL is unreachable; retrying", error=str(error))
                connection.close()
                time.sleep(PAUSE)

    return retried
