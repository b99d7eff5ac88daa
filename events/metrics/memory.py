"""What a process has counted and not written yet. It holds one number per series, so its size is bounded."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

SUM = "sum"
"""The part of a histogram that holds the sum of its values."""
VALUE = ""
"""The only part of a counter."""
LAST = "last"
"""The part of a moment: the latest of all processes stays."""


class Key(NamedTuple):
    """A number that is stored: of a metric, of one combination of its labels, one part."""

    metric: str
    labels: tuple[str, ...]
    part: str


class Memory:
    """Counts of one process, or of one transaction. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Key, float] = defaultdict(float)
        self._moments: dict[Key, float] = {}

    def add(self, metric: str, labels: tuple[str, ...], number: float) -> None:
        with self._lock:
            self._counts[Key(metric, labels, VALUE)] += number

    def add_all(self, metric: str, labels: tuple[str, ...], parts: Iterable[tuple[str, float]], total: float) -> None:
        """The buckets of a histogram, and the sum of the values in them."""
        with self._lock:
            for part, number in parts:
                if number:
                    self._counts[Key(metric, labels, part)] += number
            self._counts[Key(metric, labels, SUM)] += total

    def happened(self, metric: str, labels: tuple[str, ...]) -> None:
        with self._lock:
            self._moments[Key(metric, labels, LAST)] = time.monotonic()

    def take(self) -> tuple[dict[Key, float], dict[Key, float]]:
        """Everything counted since the last call, and for each moment its age in seconds."""
        now = time.monotonic()
        with self._lock:
            counts, self._counts = self._counts, defaultdict(float)
            moments, self._moments = self._moments, {}
        return dict(counts), {key: now - at for key, at in moments.items()}

    def put_back(self, counts: dict[Key, float]) -> None:
        """What could not be written is written next time."""
        with self._lock:
            for key, number in counts.items():
                self._counts[key] += number

    def forget(self) -> None:
        """For the child of a fork, whose parent writes what it has counted itself."""
        self.__init__()  # type: ignore[misc]


here = Memory()
"""What this process counts."""

os.register_at_fork(after_in_child=here.forget)
