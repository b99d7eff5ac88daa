"""One row a minute: what all processes have counted so far, and what waits. Beat has it taken.

The counts are totals since the installation began, so a minute without a sample loses nothing: the next one tells of
both. Samples older than a day are thinned to one each quarter of an hour; it keeps the greatest of the gauges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from django.db import transaction

from events.db.query import execute
from events.metrics.declare import Histogram, declared
from events.metrics.reading import VALUE, sums
from orderproject.operations import now

COUNTS = {
    "placed": "orders_placed_total",
    "confirmed": "orders_confirmed_total",
    "cancelled": "orders_cancelled_total",
    "appended": "events_appended_total",
    "handled": "events_deliveries_handled_total",
    "retried": "events_deliveries_retried_total",
    "dead": "events_deliveries_dead_lettered_total",
    "step failed": "sagas_step_failures_total",
    "refused": "events_breaker_refused_calls_total",
}
TIMES = {
    "critical": "events_critical_time_seconds",
    "settling": "orders_settling_seconds",
    "step": "sagas_step_seconds",
}
FINE_FOR = 24
"""Hours for which each minute is kept."""
COARSE = 15
"""Minutes between two samples that are kept for longer."""
KEPT_FOR = 7 * 24 + 1
"""Hours for which any sample is kept: the longest that the page shows, and one before it to count from."""

TAKE = """
INSERT INTO orderproject_sample (minute, at, totals, gauges, coarse)
VALUES (date_trunc('minute', clock_timestamp()), clock_timestamp(), %s, %s, false) ON CONFLICT (minute) DO NOTHING
RETURNING true
"""
# The table has about 2100 rows; these read those that are too fine, fifteen as a rule.
TOO_FINE = """
SELECT date_bin(make_interval(mins => %s), minute, 'epoch') AS bin, array_agg(minute ORDER BY minute),
       array_agg(gauges::text)
FROM orderproject_sample
WHERE NOT coarse
  AND minute < date_bin(make_interval(mins => %s), clock_timestamp() - make_interval(hours => %s), 'epoch')
GROUP BY bin
"""
KEEP = "UPDATE orderproject_sample SET coarse = true, gauges = %s WHERE minute = %s"
DROP = "DELETE FROM orderproject_sample WHERE minute = ANY(%s)"
PRUNE = "DELETE FROM orderproject_sample WHERE minute < clock_timestamp() - make_interval(hours => %s)"


def counted() -> dict[str, float]:
    """The totals of all processes. One statement."""
    stored = sums([*COUNTS.values(), *TIMES.values()])
    found = {name: stored.get(metric, {}).get(VALUE, 0.0) for name, metric in COUNTS.items()}
    known = {one.name: one for one in declared() if isinstance(one, Histogram)}
    for name, metric in TIMES.items():
        # Empty buckets too, because a quantile is interpolated from the bound below.
        found |= {f"{name} le {bound}": 0.0 for bound in known[metric].parts}
        found |= {f"{name} le {bound}": number for bound, number in stored.get(metric, {}).items()}
    return found


def sample() -> bool:
    """Takes the sample of this minute and returns True, unless there is one. Deletes what is too old.

    Safe to run concurrently.
    """
    counts, gauges = counted(), now.gauges()
    with transaction.atomic():
        taken = execute(TAKE, [_json(counts), _json(gauges)])
        thin()
        execute(PRUNE, [KEPT_FOR])
    return bool(taken)


def thin() -> None:
    """Of each old quarter of an hour the last sample stays."""
    for _, minutes, stored in execute(TOO_FINE, [COARSE, COARSE, FINE_FOR]):
        gauges = greatest(decoded(text) for text in stored)
        execute(KEEP, [_json(gauges), minutes[-1]])
        execute(DROP, [minutes[:-1]])


def greatest(several: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Of each gauge the greatest value."""
    found: dict[str, float] = {}
    for gauges in several:
        for name, value in gauges.items():
            found[name] = max(value, found.get(name, value))
    return found


def decoded(text: str) -> dict[str, float]:
    numbers: dict[str, float] = msgspec.json.decode(text)
    return numbers


def _json(numbers: Mapping[str, float]) -> str:
    return msgspec.json.encode(numbers).decode()
