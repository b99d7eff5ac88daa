"""How it went: points of the last hour, day or week, from the samples."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from events.db.query import execute
from orderproject.operations.figures import Totals, increase
from orderproject.operations.sampling import decoded, greatest

# The table has about 2100 rows. Of each bin the last totals, and all gauges.
READ = """
SELECT at, gauges, CASE WHEN lead(bin) OVER (ORDER BY minute) IS DISTINCT FROM bin THEN totals END
FROM (SELECT *, date_bin(make_interval(secs => %(bin)s), minute, 'epoch') AS bin FROM orderproject_sample
      WHERE minute >= clock_timestamp() - make_interval(secs => %(span)s)) chosen
ORDER BY minute
"""
LATELY = """
(SELECT at, totals FROM orderproject_sample
 WHERE minute >= clock_timestamp() - make_interval(secs => %(seconds)s) ORDER BY minute LIMIT 1)
UNION ALL
(SELECT at, totals FROM orderproject_sample ORDER BY minute DESC LIMIT 1)
ORDER BY at LIMIT 1
"""


@dataclass(frozen=True)
class Range:
    """`span` and `bin` in seconds: how far back, and how far apart two points are."""

    name: str
    span: int
    bin: int


RANGES = {one.name: one for one in (Range("1h", 3600, 60), Range("24h", 86_400, 600), Range("7d", 604_800, 3600))}


@dataclass(frozen=True)
class Point:
    """What was counted in the `seconds` before `at`, and the greatest gauges of this time."""

    at: datetime
    seconds: float
    rise: Totals
    gauges: dict[str, float]


@dataclass(frozen=True)
class History:
    range: Range
    since: datetime
    until: datetime
    points: list[Point]


def read(of: Range) -> History:
    """One statement. The first sample only says what to count from."""
    until = timezone.now()
    points: list[Point] = []
    before: tuple[datetime, Totals] | None = None
    gauges: list[dict[str, float]] = []
    for at, gauges_text, totals_text in execute(READ, {"bin": of.bin, "span": of.span + of.bin}):
        gauges.append(decoded(gauges_text))
        if totals_text is None:
            continue
        totals = decoded(totals_text)
        if before is not None:
            seconds = max((at - before[0]).total_seconds(), 1.0)
            points.append(Point(at, seconds, increase(before[1], totals), greatest(gauges)))
        before, gauges = (at, totals), []
    return History(of, until - timedelta(seconds=of.span), until, points)


def lately(totals: Totals, seconds: float) -> Point | None:
    """What was counted since the first sample of the last `seconds`, or else since the last sample. One statement."""
    rows = execute(LATELY, {"seconds": seconds})
    if not rows:
        return None
    (at, stored), now = rows[0], timezone.now()
    return Point(now, max((now - at).total_seconds(), 1.0), increase(decoded(stored), totals), {})
