"""Reads what is only for show, and gives up before it burdens the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import OperationalError, transaction
from psycopg.errors import QueryCanceled

from events.db.query import execute

log = structlog.get_logger(__name__)
T = TypeVar("T")

TIMEOUT = 1.0
"""Seconds that one statement of a section may take."""
LIMIT = "SELECT set_config('statement_timeout', %s, true)"


def within_time(section: str, read: Callable[[], T]) -> T | None:
    """What `read` returns; None if one of its statements took longer than TIMEOUT. Raises what else it raises."""
    try:
        with transaction.atomic():
            execute(LIMIT, [f"{TIMEOUT * 1000:.0f}"])
            return read()
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        log.warning("a section of the metrics took too long", section=section, error=str(error))
        return None
