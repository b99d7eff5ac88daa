"""What a process has counted and not written yet. It holds one number per series, so its size is bounded."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
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


class Exemplar(NamedTuple):
    """A sampled trace whose value is in a bucket. `at` is a monotonic time."""

    trace_id: str
    value: float
    at: float


class Taken(NamedTuple):
    """What a memory held: counts, for each moment its age in seconds, and the latest exemplar of each bucket."""

    counts: Mapping[Key, float]
    ages: Mapping[Key, float]
    exemplars: Mapping[Key, Exemplar]


class Memory:
    """Counts of one process, or of one transaction. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Key, float] = defaultdict(float)
        self._moments: dict[Key, float] = {}
        self._exemplars: dict[Key, Exemplar] = {}

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

    def exemplify(self, metric: str, labels: tuple[str, ...], by_part: Mapping[str, tuple[str, float]]) -> None:
        """A trace id and a value for each of these buckets, in place of those that it has."""
        now = time.monotonic()
        with self._lock:
            for part, (trace_id, value) in by_part.items():
                self._exemplars[Key(metric, labels, part)] = Exemplar(trace_id, value, now)

    def happened(self, metric: str, labels: tuple[str, ...]) -> None:
        with self._lock:
            self._moments[Key(metric, labels, LAST)] = time.monotonic()

    def take(self) -> Taken:
        """Everything since the last call."""
        now = time.monotonic()
        with self._lock:
            counts, self._counts = self._counts, defaultdict(float)
            moments, self._moments = self._moments, {}
            exemplars, self._exemplars = self._exemplars, {}
        return Taken(dict(counts), {key: now - at for key, at in moments.items()}, exemplars)

    def put_back(self, taken: Taken) -> None:
        """Counts and exemplars that could not be written are written next time."""
        with self._lock:
            for key, number in taken.counts.items():
                self._counts[key] += number
            self._exemplars = {**taken.exemplars, **self._exemplars}

    def forget(self) -> None:
        """For the child of a fork, whose parent writes what it has counted itself."""
        self.__init__()  # type: ignore[misc]


here = Memory()
"""What this process counts."""

os.register_at_fork(after_in_child=here.forget)
