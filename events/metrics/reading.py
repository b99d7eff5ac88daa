"""The totals of all processes, as they are stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from events.db.query import execute
from events.metrics import sql
from events.metrics.flush import SILENT_AFTER
from events.metrics.memory import LAST, SUM, VALUE
from web.typed import decoder

__all__ = ["LAST", "SUM", "VALUE", "Stored", "exemplars", "reported", "sums", "totals"]

Labels = tuple[str, ...]
TEXTS = decoder(list[str])


class Stored(NamedTuple):
    """An exemplar: a value in a bucket, and the trace that it is from. `at` is in seconds since 1970."""

    trace_id: str
    value: float
    at: float


def totals() -> Mapping[str, Mapping[Labels, Mapping[str, float]]]:
    """By metric and labels: its parts, such as the buckets of a histogram. One statement."""
    found: dict[str, dict[Labels, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for metric, labels, part, value in execute(sql.TOTALS, []):
        found[metric][_labels(labels)][part] = value
    return found


def sums(metrics: Iterable[str]) -> Mapping[str, Mapping[str, float]]:
    """By metric: its parts, added up over all labels. One statement."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for metric, part, value in execute(sql.SUMS, [list(metrics)]):
        found[metric][part] = value
    return found


def exemplars() -> Mapping[str, Mapping[Labels, Mapping[str, Stored]]]:
    """By metric and labels: the latest of each bucket. One statement."""
    found: dict[str, dict[Labels, dict[str, Stored]]] = defaultdict(lambda: defaultdict(dict))
    for metric, labels, part, *columns in execute(sql.EXEMPLARS, []):
        found[metric][_labels(labels)][part] = Stored(*columns)
    return found


def reported() -> Mapping[str, Mapping[Labels, float]]:
    """What all living processes report of themselves, added up. One statement."""
    found: dict[str, dict[Labels, float]] = defaultdict(dict)
    for metric, labels, value in execute(sql.REPORTED, [SILENT_AFTER]):
        found[metric][_labels(labels)] = value
    return found


def _labels(stored: str) -> Labels:
    return tuple(TEXTS.decode(stored))
