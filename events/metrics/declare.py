"""What can be counted: counters, histograms and moments, each declared once at module level."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from events.errors import DeclarationError
from events.metrics.memory import Memory, here
from events.tracing.spans import is_sampled, trace_id_of

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+\Z")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""The upper bounds of histograms of seconds: from one database step to an outage of an hour."""
INFINITY = "+Inf"

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """A name with Prometheus' base unit, what it means, and its labels.

    `known` returns the label values that are exported from the start, with 0: a rate sees the first increase only if
    there was a value before it.
    """

    name: str
    meaning: str
    labels: Labels = ()
    known: Callable[[], Iterable[Labels]] = field(default=lambda: (), kw_only=True)

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise DeclarationError(f"metric {self.name!r}: write lower-case words with underscores between them")
        if self.name in _declared:
            raise DeclarationError(f"metric {self.name}: is already declared; use the one that is there")
        _declared[self.name] = self

    def _check(self, labels: Labels) -> None:
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} takes the labels {self.labels}, not {labels}")


@dataclass(frozen=True)
class Counter(Metric):
    """Only increases, also over restarts. The name ends in `_total`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.name.endswith("_total"):
            raise DeclarationError(f"counter {self.name}: its name must end in _total")

    def add(self, number: float, *labels: str, into: Memory = here) -> None:
        """Adds to the count. Call it after the commit of what it counts, best by `transaction.on_commit`."""
        self._check(labels)
        if number:
            into.add(self.name, labels, number)


@dataclass(frozen=True)
class Histogram(Metric):
    """How often a value was at most each of `bounds`, with the sum of all values."""

    bounds: tuple[float, ...] = SECONDS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_parts", (*(str(float(bound)) for bound in self.bounds), INFINITY))

    @property
    def parts(self) -> Sequence[str]:
        """The names of the buckets: their upper bounds."""
        return self._parts  # type: ignore[attr-defined,no-any-return]

    def observe(self, value: float, *labels: str, times: int = 1, into: Memory = here, trace: str = "") -> None:
        """`times`: how many had this value. A negative value, of clocks that differ, counts as 0.

        `trace`: the context in which it took so long; if that is sampled, its trace becomes the bucket's exemplar.
        """
        self._check(labels)
        if trace:
            self._exemplify((value,), labels, (trace,), into)
        part = self.parts[bisect_left(self.bounds, value)]
        into.add_all(self.name, labels, ((part, float(times)),), value * times if value > 0 else 0.0)

    def observe_all(
        self, values: Sequence[float], *labels: str, times: int = 1, into: Memory = here, traces: Sequence[str] = ()
    ) -> None:
        """Each value counts `times` times. A negative value, of clocks that differ, counts as 0.

        `traces`: the context of each value, or none at all.
        """
        self._check(labels)
        if traces:
            self._exemplify(values, labels, traces, into)
        counts, total, bounds = [0.0] * (len(self.bounds) + 1), 0.0, self.bounds
        for value in values:
            counts[bisect_left(bounds, value)] += times
            total += value if value > 0 else 0.0
        into.add_all(self.name, labels, zip(self.parts, counts, strict=True), total * times)

    def _exemplify(self, values: Sequence[float], labels: Labels, traces: Sequence[str], into: Memory) -> None:
        """The last value of each bucket whose trace is sampled."""
        found = {
            self.parts[bisect_left(self.bounds, value)]: (trace_id_of(trace), max(value, 0.0))
            for value, trace in zip(values, traces, strict=True)
            if is_sampled(trace)
        }
        if found:
            into.exemplify(self.name, labels, found)


@dataclass(frozen=True)
class Moment(Metric):
    """When something happened last, in any process: seconds since 1970, by the database's clock."""

    def now(self, *labels: str, into: Memory = here) -> None:
        self._check(labels)
        into.happened(self.name, labels)


@dataclass(frozen=True)
class Reported(Metric):
    """What processes report of themselves now, added up over those that live."""


_declared: dict[str, Metric] = {}


def declared() -> list[Metric]:
    """Every declared metric, by name."""
    return [_declared[name] for name in sorted(_declared)]


__all__ = ["SECONDS", "Counter", "Histogram", "Memory", "Metric", "Moment", "Reported", "declared"]
