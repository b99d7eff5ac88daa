"""The charts of the operations page, as lines in a box of 1000 by 100. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor, log10

from orderproject.operations.figures import buckets, error_share, failures, quantile
from orderproject.operations.format import Unit, shown
from orderproject.operations.history import History, Point

WIDTH, HEIGHT = 1000, 100
TICKS = 5
"""Times under each chart."""
GAP = 3
"""Points further apart than so many bins are not joined by a line."""

DAY = 86_400.0
ROUND_TIMES = (60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 43_200.0, DAY)

Value = Callable[[Point], float | None]


@dataclass(frozen=True)
class Line:
    """One series. `paths`: the points of each unbroken line, as SVG's polyline takes them; `last` is formatted."""

    name: str
    colour: int
    paths: Sequence[str]
    last: str


@dataclass(frozen=True)
class Chart:
    """`top` and `middle` label the axis, which starts at 0; `empty` where no point has a value."""

    key: str
    title: str
    lines: Sequence[Line]
    top: str
    middle: str
    peak: str
    ticks: Sequence[datetime]

    @property
    def empty(self) -> bool:
        return not any(line.paths for line in self.lines)

    @property
    def spoken(self) -> str:
        """What the picture says, for those who hear the page."""
        return f"{self.title}: " + ", ".join(f"{line.name} {line.last}" for line in self.lines) + f"; peak {self.peak}"


def charts(history: History, queues: Sequence[str], publishers: Sequence[str]) -> list[Chart]:
    waiting = [(name, _gauge(f"waiting {name}")) for name in queues]
    oldest = [(name, _gauge(f"oldest {name}")) for name in queues]
    lag = [(name, _gauge(f"lag {name}")) for name in publishers]
    return [
        _chart(history, "orders", "Orders", Unit.PER_MINUTE, [
            ("placed", _rate("placed", 60)), ("confirmed", _rate("confirmed", 60)),
            ("cancelled", _rate("cancelled", 60)),
        ]),
        _chart(history, "deliveries", "Events and deliveries", Unit.PER_SECOND, [
            ("events recorded", _rate("appended", 1)), ("deliveries handled", _rate("handled", 1)),
        ]),
        _chart(history, "critical", "Critical time, from event to handled", Unit.SECONDS, [
            ("p50", _quantile("critical", 0.5)), ("p99", _quantile("critical", 0.99)),
        ]),
        _chart(history, "settling", "From placing an order until it is confirmed or cancelled", Unit.SECONDS, [
            ("p50", _quantile("settling", 0.5)), ("p99", _quantile("settling", 0.99)),
        ]),
        _chart(history, "waiting", "Backlog by queue", Unit.NUMBER, waiting),
        _chart(history, "oldest", "Oldest waiting, by queue", Unit.SECONDS, oldest),
        _chart(history, "errors", "Error rate", Unit.PERCENT, [("of all attempts", _errors)]),
        _chart(history, "failures", "Failed attempts and dead deliveries", Unit.PER_MINUTE, [
            ("failed attempts", _failures), ("dead", _rate("dead", 60)), ("refused by breakers", _rate("refused", 60)),
        ]),
        *([_chart(history, "lag", "Lag of publishers", Unit.SECONDS, lag)] if lag else []),
    ]  # fmt: skip


def _rate(name: str, seconds: float) -> Value:
    return lambda point: point.rise.get(name, 0.0) / point.seconds * seconds


def _quantile(name: str, share: float) -> Value:
    return lambda point: quantile(share, buckets(name, point.rise))


def _gauge(name: str) -> Value:
    return lambda point: point.gauges.get(name, 0.0)


def _errors(point: Point) -> float | None:
    return error_share(point.rise)


def _failures(point: Point) -> float:
    return failures(point.rise) / point.seconds * 60


def _chart(history: History, key: str, title: str, unit: Unit, series: Sequence[tuple[str, Value]]) -> Chart:
    values = {name: [(point.at, value(point)) for point in history.points] for name, value in series}
    peak = max((value for line in values.values() for _, value in line if value is not None), default=0.0)
    top = ceiling(peak, unit)
    lines = [
        Line(
            name, index, _paths(history, values[name], top), shown(values[name][-1][1] if values[name] else None, unit)
        )
        for index, (name, _) in enumerate(series)
    ]
    step = timedelta(seconds=history.range.span / (TICKS - 1))
    ticks = [history.since + n * step for n in range(TICKS)]
    return Chart(key, title, lines, shown(top, unit), shown(top / 2, unit), shown(peak, unit), ticks)


def ceiling(value: float, unit: Unit = Unit.NUMBER) -> float:
    """The next of 1, 2, 5, 10, 20 … that is at least the value; of a minute or more, a round time. 1 for nothing."""
    if value <= 0:
        return 1.0
    if unit is Unit.SECONDS and value > ROUND_TIMES[0] / 2:
        round_time = next((time for time in ROUND_TIMES if time >= value), None)
        return round_time or DAY * ceiling(value / DAY)
    power = 10.0 ** floor(log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9))


def _paths(history: History, values: Sequence[tuple[datetime, float | None]], top: float) -> list[str]:
    """A line begins again after a gap, and after a time without a value."""
    span = (history.until - history.since).total_seconds()
    paths: list[list[str]] = []
    last: datetime | None = None
    for at, value in values:
        if value is None or at < history.since:
            last = None
            continue
        if last is None or (at - last).total_seconds() > GAP * history.range.bin:
            paths.append([])
        x = WIDTH * (at - history.since).total_seconds() / span
        paths[-1].append(f"{x:.1f},{HEIGHT * (1 - min(value / top, 1)):.1f}")
        last = at
    # A point by itself would be invisible.
    return [" ".join(path if len(path) > 1 else [path[0], path[0]]) for path in paths]
