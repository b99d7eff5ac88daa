"""How long code may wait for a connection to PostgreSQL: `with connecting_within(2): …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

patience: ContextVar[float | None] = ContextVar("database_patience", default=None)


@contextmanager
def connecting_within(seconds: float) -> Iterator[None]:
    """Within the block, OperationalError comes after so many seconds without a connection, not after the pool's."""
    token = patience.set(seconds)
    try:
        yield
    finally:
        patience.reset(token)
