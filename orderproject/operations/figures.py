"""What two readings of the same counters say of the time between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import inf

Totals = Mapping[str, float]
"""By name of a count, and by `name le bound` for the buckets of a histogram."""


def increase(before: Totals, after: Totals) -> dict[str, float]:
    """By how much each count rose. One that fell began again at 0, as when an old backup was restored."""
    return {
        name: value - before.get(name, 0.0) if value >= before.get(name, 0.0) else value
        for name, value in after.items()
    }


def buckets(name: str, totals: Totals) -> dict[float, float]:
    """Of one histogram: how many values were in each bucket, by its upper bound."""
    return {bound: totals[key] for key, bound in _bounds(name, tuple(totals))}


@lru_cache(maxsize=64)
def _bounds(name: str, keys: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """The keys of a histogram with their bounds. Samples have the same keys, so they are parsed once."""
    of = f"{name} le "
    return tuple((key, float(key.removeprefix(of))) for key in keys if key.startswith(of))


def quantile(share: float, numbers: Mapping[float, float]) -> float | None:
    """The value below which this share of all lies; None if there are none.

    Linear within a bucket, as Prometheus' histogram_quantile; in the last bucket, which has no upper bound, its lower
    one.
    """
    rank = share * sum(numbers.values())
    if rank <= 0:
        return None
    seen, lower = 0.0, 0.0
    for upper in sorted(numbers):
        number = numbers[upper]
        if number > 0 and seen + number >= rank:
            return lower if upper == inf else lower + (upper - lower) * (rank - seen) / number
        seen, lower = seen + number, upper if upper != inf else lower
    return lower


def error_share(rise: Totals) -> float | None:
    """Of all attempts at deliveries and steps, the share that failed; None if there were none."""
    failed = failures(rise)
    attempts = failed + rise.get("handled", 0.0) + sum(buckets("step", rise).values())
    return failed / attempts if attempts > 0 else None


def failures(rise: Totals) -> float:
    return rise.get("retried", 0.0) + rise.get("dead", 0.0) + rise.get("step failed", 0.0)
