"""Queues. Every service declares its own, so that a misspelt queue name fails at import."""

from __future__ import annotations

import re
from collections.abc import Iterable

from events.errors import DeclarationError

NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class Queue(str):
    """The name of a declared queue. Only `declare_queue` creates one."""

    __slots__ = ()


_declared: dict[str, Queue] = {}
_served: frozenset[Queue] = frozenset()


def declare_queue(name: str) -> Queue:
    """Declares a queue: `ORDERS = declare_queue("orders")` in the service's `events.py`. Idempotent.

    Raises DeclarationError for a name that is not lower-case letters, digits and underscores.
    """
    if not NAME.match(name):
        raise DeclarationError(f"queue {name!r}: a queue's name is lower-case letters, digits and underscores")
    return _declared.setdefault(name, Queue(name))


def declared_queues() -> list[Queue]:
    """Every declared queue, by name."""
    return [_declared[name] for name in sorted(_declared)]


def check_queue(queue: object, place: str) -> None:
    """Raises DeclarationError, naming the place, for anything but a declared queue."""
    if not isinstance(queue, Queue) or _declared.get(queue) is not queue:
        known = ", ".join(declared_queues())
        raise DeclarationError(
            f"{place}: queue={queue!r} is unknown; declare it with declare_queue, or use one of {known}"
        )


STREAMS = declare_queue("streams")
"""The kernel's own queue: sweeps, replays, pruning, and read models. No user waits for it."""


def serve(names: Iterable[str]) -> None:
    """Registers the queues that this worker consumes. Call it once, before a pool forks."""
    global _served  # noqa: PLW0603  one worker per process
    _served = frozenset(_declared[name] for name in names if name in _declared)


def served_here() -> frozenset[Queue]:
    """The queues that this worker consumes; empty outside a worker.

    A worker may run the next step of a saga without a message if it serves the step's queue.
    """
    return _served
