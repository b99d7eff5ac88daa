"""A batch that fails is taken apart, so that one bad item never holds up its neighbours."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")


def apart(items: Sequence[T], attempt: Callable[[Sequence[T]], None], failed: Callable[[T, Exception], None]) -> None:
    """Calls `attempt` on all items, and on ever smaller halves where it raises; single culprits go to `failed`.

    `attempt` must undo its own effect when it raises. One culprit among n costs about 2·log2(n) further calls.
    A lost connection to the database is nobody's fault: that error is raised to the caller.
    """
    if not items:
        return
    session = _session()
    try:
        attempt(items)
    except Exception as error:
        if database_lost(error, session):
            raise
        if len(items) == 1:
            failed(items[0], error)
            return
        middle = len(items) // 2
        apart(items[:middle], attempt, failed)
        apart(items[middle:], attempt, failed)


def _session() -> Any:
    """The connection of this thread, opened if need be."""
    connection.ensure_connection()
    return connection.connection


def database_lost(error: Exception, session: Any = None) -> bool:
    """Whether the connection is gone, rather than one statement having failed (a deadlock, a time limit).

    `session`: the connection that was used. Django opens another one as soon as a transaction has ended, so the one
    that is there by now may be sound.
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return (session is not None and session.closed) or not connection.is_usable()
