"""Bisects a failing batch, so that one bad item does not fail the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")


class Bisection(Generic[T]):
    """The portions of a batch: first the whole, then the halves of what failed, down to the culprits.

    ```python
    portions = Bisection(items)
    for portion in portions:
        try:
            work(portion)  # must undo its own effect when it raises
        except Exception as error:
            for culprit in portions.failed(portion, error):
                note(culprit, error)
    ```
    One culprit among n costs about 2·log2(n) further portions.
    """

    def __init__(self, items: Sequence[T]) -> None:
        self._left = [items] if items else []
        self._session: Any = None

    def __iter__(self) -> Iterator[Sequence[T]]:
        while self._left:
            connection.ensure_connection()
            self._session = connection.connection
            yield self._left.pop()

    def failed(self, portion: Sequence[T], error: Exception) -> Sequence[T]:
        """The portion itself if it is a single item; else none, and its halves come next.

        Raises the error again where the connection to the database was lost, which is no item's fault.
        """
        if database_lost(error, self._session):
            raise error
        if len(portion) == 1:
            return portion
        middle = len(portion) // 2
        self._left += [portion[middle:], portion[:middle]]
        return ()


def bisect(items: Sequence[T], attempt: Callable[[Sequence[T]], None], failed: Callable[[T, Exception], None]) -> None:
    """Calls `attempt` on the portions of these items, and `failed` on each single item for which it raises."""
    portions = Bisection(items)
    for portion in portions:
        try:
            attempt(portion)
        except Exception as error:  # noqa: BLE001  whatever a handler raises
            for culprit in portions.failed(portion, error):
                failed(culprit, error)


def database_lost(error: Exception, session: Any = None) -> bool:
    """Whether the error means a lost connection, not a failed statement such as a deadlock or a timeout.

    `session`: the connection that was in use. Django opens a new one after the transaction has ended, so the current
    connection may be healthy.
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return (session is not None and session.closed) or not connection.is_usable()
