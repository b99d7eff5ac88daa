"""Families of samples as Prometheus' client exports them: from declared metrics and from rows of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.samples import Exemplar

from events.metrics.declare import Counter, Histogram, Moment, Reported, declared
from events.metrics.reading import LAST, SUM, VALUE, Stored, exemplars, reported, totals
from events.tracing.spans import recording

Labels = tuple[str, ...]
Parts = Mapping[str, float]
Exemplars = Mapping[str, Stored]


def gauge(name: str, what: str, labels: Iterable[str], values: Iterable[tuple[Labels, float | None]]) -> Metric:
    """Without the values that are None."""
    family = GaugeMetricFamily(name, what, labels=list(labels))
    for of, value in values:
        if value is not None:
            family.add_metric(of, value)
    return family


def counted() -> Iterator[Metric]:
    """All metrics that processes count, as totals of all processes. Two statements; three where traces are recorded."""
    stored, said = totals(), reported()
    seen = exemplars() if recording() else {}
    for one in declared():
        series: Mapping[Labels, Parts] = {**{labels: {} for labels in one.known()}, **stored.get(one.name, {})}
        if isinstance(one, Counter):
            yield _counter(one, series)
        elif isinstance(one, Histogram):
            yield _histogram(one, series, seen.get(one.name, {}))
        elif isinstance(one, Moment):
            yield gauge(one.name, one.meaning, one.labels, ((of, parts.get(LAST)) for of, parts in series.items()))
        elif isinstance(one, Reported):
            yield gauge(one.name, one.meaning, one.labels, said.get(one.name, {}).items())


def _counter(one: Counter, series: Mapping[Labels, Parts]) -> Metric:
    family = CounterMetricFamily(one.name, one.meaning, labels=one.labels)
    for of, parts in sorted(series.items()):
        family.add_metric(of, parts.get(VALUE, 0.0))
    return family


def _histogram(one: Histogram, series: Mapping[Labels, Parts], seen: Mapping[Labels, Exemplars]) -> Metric:
    family = HistogramMetricFamily(one.name, one.meaning, labels=one.labels)
    for of, parts in sorted(series.items()):
        family.add_metric(of, _with_exemplars(_cumulative(one, parts), seen.get(of, {})), parts.get(SUM, 0.0))
    return family


def _with_exemplars(
    buckets: list[tuple[str, float]], seen: Exemplars
) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Only OpenMetrics shows them."""
    return [
        (part, number, Exemplar({"trace_id": one.trace_id}, one.value, one.at))
        if (one := seen.get(part))
        else (part, number)
        for part, number in buckets
    ]


def _cumulative(one: Histogram, parts: Parts) -> list[tuple[str, float]]:
    """As Prometheus wants it: how many were at most each bound. Bounds of earlier releases count in the next one."""
    stored = sorted((float(part), number) for part, number in parts.items() if part != SUM)
    return [(part, sum(number for bound, number in stored if bound <= float(part))) for part in one.parts]
