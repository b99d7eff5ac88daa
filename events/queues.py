"""The queues: one per service, declared, so that a misspelt one fails at once."""

from collections.abc import Iterable
from enum import StrEnum


class Queue(StrEnum):
    """Where a task waits. A project that lifts the kernel out names its own services here."""

    ORDERS = "orders"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    NOTIFICATIONS = "notifications"
    STREAMS = "streams"


_served: frozenset[Queue] = frozenset()


def serve(names: Iterable[str]) -> None:
    """This process is a worker, and consumes these."""
    global _served  # noqa: PLW0603  one worker per process
    _served = frozenset(Queue(name) for name in names if name in set(Queue))


def served_here() -> frozenset[Queue]:
    """The queues of this worker: what would go to one of them may be done at once. None outside of a worker."""
    return _served
