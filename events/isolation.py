"""A batch that fails is taken apart, so that one bad item never holds up its neighbours."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")


def apart(items: Sequence[T], attempt: Callable[[Sequence[T]], None], failed: Callable[[T, Exception], None]) -> None:
    """Calls `attempt` on all items, and on ever smaller halves where it raises; single culprits go to `failed`.

    `attempt` must undo its own effect when it raises. One culprit among n costs about 2·log2(n) further calls.
    A lost connection to the database is nobody's fault: that error is raised to the caller.
    """
    if not items:
        return
    try:
        attempt(items)
    except Exception as error:
        if database_lost(error):
            raise
        if len(items) == 1:
            failed(items[0], error)
            return
        middle = len(items) // 2
        apart(items[:middle], attempt, failed)
        apart(items[middle:], attempt, failed)


def database_lost(error: Exception) -> bool:
    """Whether the connection is gone, rather than one statement having failed (a deadlock, a time limit)."""
    return isinstance(error, OperationalError | InterfaceError) and not connection.is_usable()
