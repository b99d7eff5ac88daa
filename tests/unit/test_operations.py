"""The figures of the operations page: increases, quantiles, charts and units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import pytest
from celery.worker import state

from events.worker.tasks_of_late import tasks_of_late
from orderproject.operations.charts import ceiling, charts
from orderproject.operations.figures import buckets, error_share, increase, quantile
from orderproject.operations.format import NOTHING, Unit, shown
from orderproject.operations.history import RANGES, History, Point
from orderproject.operations.sampling import greatest
from orderproject.release import of_checkout

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = RANGES["1h"]


def test_what_is_new_counts_from_nothing_and_what_fell_began_again() -> None:
    assert increase({"placed": 5, "handled": 90}, {"placed": 8, "handled": 10, "dead": 2}) == {
        "placed": 3, "handled": 10, "dead": 2,
    }  # fmt: skip


def test_buckets_are_those_of_one_histogram() -> None:
    assert buckets("critical", {"critical le 0.5": 2, "critical le +Inf": 1, "confirmation le 1": 9}) == {
        0.5: 2, inf: 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("share", "expected"),
    # As Prometheus' histogram_quantile over the buckets le=1: 10, le=2: 30, le=4: 40, +Inf: 40.
    [(0.25, 1.0), (0.5, 1.5), (0.75, 2.0), (0.99, 3.92), (0.125, 0.5), (1.0, 4.0)],
)
def test_a_quantile_is_interpolated_within_its_bucket(share: float, expected: float) -> None:
    assert quantile(share, {1.0: 10, 2.0: 20, 4.0: 10, inf: 0}) == pytest.approx(expected)


def test_a_quantile_beyond_the_last_bound_is_that_bound_and_of_nothing_there_is_none() -> None:
    assert quantile(0.99, {1.0: 1, inf: 99}) == 1.0
    assert quantile(0.5, {1.0: 0, inf: 0}) is None
    assert quantile(0.5, {}) is None


def test_errors_are_a_share_of_all_attempts() -> None:
    rise = {"handled": 6, "retried": 2, "dead": 1, "step failed": 1, "step le 0.5": 9, "step le +Inf": 1}
    assert error_share(rise) == pytest.approx(4 / 20)
    assert error_share({"handled": 0}) is None


def test_the_greatest_of_each_gauge_stays() -> None:
    assert greatest([{"dead": 1, "open": 7}, {"dead": 3}]) == {"dead": 3, "open": 7}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, Unit.SECONDS, NOTHING), (0, Unit.SECONDS, "0 s"), (0.0123, Unit.SECONDS, "12 ms"),
        (2.04, Unit.SECONDS, "2.0 s"), (59.7, Unit.SECONDS, "1 min"), (200, Unit.SECONDS, "3 min 20 s"),
        (7300, Unit.SECONDS, "2 h 1 min"), (90_000, Unit.SECONDS, "1 d 1 h"),
        (12_500, Unit.PER_MINUTE, "12\u202f500/min"),
        (3.14, Unit.PER_SECOND, "3.1/s"), (0.012, Unit.PERCENT, "1.2 %"), (4, Unit.NUMBER, "4"),
        (0.0005, Unit.PERCENT, "0.05 %"),
    ],
)  # fmt: skip
def test_numbers_have_their_unit(value: float | None, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "top"), [(0.3, 0.5), (25, 50), (31, 60), (331, 600), (4000, 7200), (86_400, 86_400), (100_000, 172_800)]
)
def test_an_axis_of_times_ends_at_a_round_time(seconds: float, top: float) -> None:
    assert ceiling(seconds, Unit.SECONDS) == pytest.approx(top)


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (1.1, 2), (3, 5), (51, 100), (0.03, 0.05), (2000, 2000)])
def test_an_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert ceiling(value) == pytest.approx(top)


def point(minute: int, **rise: float) -> Point:
    return Point(NOON + timedelta(minutes=minute), 60, rise, {"waiting orders": minute})


def charted(points: list[Point], key: str) -> dict[str, list[str]]:
    history = History(HOUR, NOON, NOON + timedelta(hours=1), points)
    (chart,) = (one for one in charts(history, ["orders"], []) if one.key == key)
    return {line.name: list(line.paths) for line in chart.lines}


def test_a_rate_is_drawn_to_scale() -> None:
    lines = charted([point(0, placed=0), point(30, placed=5), point(31, placed=10)], "orders")
    assert lines["placed"] == ["0.0,100.0 0.0,100.0", "500.0,50.0 516.7,0.0"]


def test_a_line_ends_where_no_sample_was_taken_or_nothing_happened() -> None:
    happened = {"critical le 0.1": 4.0}
    points = [point(0, **happened), point(1, **happened), point(10, **happened), point(11), point(12, **happened)]
    assert [path.count(" ") for path in charted(points, "critical")["p50"]] == [1, 1, 1]


def test_without_points_a_chart_is_empty() -> None:
    history = History(HOUR, NOON, NOON + timedelta(hours=1), [])
    assert all(chart.empty for chart in charts(history, ["orders"], ["kafka"]))


def test_a_worker_tells_of_its_tasks_since_it_told_last(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"orders.confirm": 3, "sagas.decide": 1}
    monkeypatch.setattr(state, "total_count", counted)
    tell = tasks_of_late()
    assert tell() == ""
    counted |= {"orders.confirm": 5, "sagas.decide": 2}
    assert tell() == "2 orders.confirm, 1 sagas.decide"
    assert tell() == ""


def test_a_clone_knows_its_commit(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    assert of_checkout(tmp_path) == ""
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(
        "# pack-refs\n1111111111112222 refs/heads/other\nabcdefabcdef0123 refs/heads/main\n"
    )
    assert of_checkout(tmp_path) == "abcdefabcdef"
    (git / "refs" / "heads" / "main").write_text("0123456789abcdef\n")
    assert of_checkout(tmp_path) == "0123456789ab"
    (git / "HEAD").write_text("fedcba9876543210\n")
    assert of_checkout(tmp_path) == "fedcba987654"
