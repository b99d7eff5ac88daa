"""What a worker does, in a line for people: its running tasks, and those of the last seconds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from celery.worker import state

SHOWN = 3
"""Kinds of tasks that are named."""


def tasks_of_late() -> Callable[[], str]:
    """Each call of what this returns tells of the time since the call before. A task costs nothing: Celery counts."""
    before: Counter[str] = Counter(state.total_count)

    def tell() -> str:
        nonlocal before
        counted: Counter[str] = Counter(dict(state.total_count))
        fresh, before = counted - before, counted
        parts = [*_running(), *(f"{times} {name}" for name, times in fresh.most_common(SHOWN))]
        if len(fresh) > SHOWN:
            parts.append(f"{len(fresh) - SHOWN} more kinds of tasks")
        return ", ".join(parts)

    return tell


def _running() -> list[str]:
    """Tasks that have run for a second or more."""
    now = time.time()
    try:
        began = [(request.name, now - request.time_start) for request in tuple(state.active_requests)
                 if request.time_start]  # fmt: skip
    except RuntimeError:  # another thread changed the set meanwhile
        return []
    return [f"{name} for {age:.0f} s" for name, age in began if age >= 1][:SHOWN]
