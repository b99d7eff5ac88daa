"""The performance targets (bars) as data, and their evaluation for the samples of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench.rounds import INPROCESS, OURS, Rounds

Limit = Literal["≥", "≤", "<", "="]


@dataclass(frozen=True)
class Figure:
    """A figure of a contender."""

    scenario: str
    contender: str = OURS
    name: str = "per_second"
    gateway: str = INPROCESS


@dataclass(frozen=True)
class Bar:
    """A target for the ratio of two figures, or for one figure."""

    name: str
    figure: Figure
    against: Figure | None
    limit: Limit
    value: float

    @property
    def wanted(self) -> str:
        return f"{self.limit} {self.value:g}"


@dataclass(frozen=True)
class Verdict:
    """The result for a bar: the ratio of the medians and that of the worst round. None means not measured."""

    name: str
    wanted: str
    median: float | None
    worst: float | None
    met: bool | None


RECONCILED = "every sample reconciles: samples with problems"


def throughput(scenario: str, peer: str, value: float) -> Bar:
    """The throughput of ours compared to a peer in the same scenario."""
    return Bar(f"{scenario}: ours / {peer}, orders per second", Figure(scenario), Figure(scenario, peer), "≥", value)


def latency(percentile: str, peer: str, limit: Limit, value: float) -> Bar:
    name = f"{percentile}_ms"
    return Bar(
        f"light load: ours / {peer}, {percentile}",
        Figure("light", name=name),
        Figure("light", peer, name),
        limit,
        value,
    )


def of_the_storm(scenario: str, things: str, value: float) -> Bar:
    """Compared to the storm that the same stack ran immediately before, so that drift of the machine has no effect."""
    name = f"{scenario} / the storm before it, {things} per second"
    return Bar(name, Figure(scenario, name="ratio"), None, "≥", value)


def grown(orders: int) -> Bar:
    stored = f"{orders:,}".replace(",", " ")
    name = f"growth: {stored} stored orders / 1 000, orders per second"
    return Bar(name, Figure(f"growth-{orders}"), Figure("growth-1000"), "≥", 0.9)


def appended(ours: str, raw: str) -> Bar:
    """Compared to raw inserts of the same rows: with deliveries, or of events without subscribers."""
    return Bar(f"append: {ours} / {raw}, events per second", Figure("append", ours), Figure("append", raw), "≥", 0.5)


BARS = (
    throughput("storm", "celery-prefork", 5),
    throughput("storm", "celery-solo", 5),
    throughput("storm", "dbos-queue", 7),
    throughput("storm", "dbos-direct", 7),
    throughput("drain", "celery-prefork", 20),
    throughput("drain", "celery-solo", 20),
    latency("p50", "celery-prefork", "≤", 1.5),
    latency("p99", "celery-prefork", "≤", 1.5),
    latency("p50", "dbos-queue", "<", 1),
    latency("p99", "dbos-queue", "<", 1),
    of_the_storm("flash", "orders", 0.8),
    Bar("flash: confirmed / in stock", Figure("flash", name="confirmed"), Figure("flash", name="stock"), "=", 1),
    grown(1_000_000),
    grown(5_000_000),
    appended("ours", "raw-executemany"),
    appended("ours-bare", "raw-executemany-bare"),
    of_the_storm("large", "lines", 0.5),
    of_the_storm("declined", "orders", 0.5),
    of_the_storm("slow", "orders", 0.5),
    Bar("idle: CPU of the whole stack, % of one core", Figure("idle", name="cpu_percent"), None, "<", 3),
)


def verdicts(rounds: Rounds) -> list[Verdict]:
    """The verdicts on all bars in sequence, and last on the reconciliation of all samples."""
    return [*(judge(bar, rounds) for bar in BARS), reconciled(rounds)]


def judge(bar: Bar, rounds: Rounds) -> Verdict:
    """Evaluates the medians; for an exact target, every round."""
    above = values(bar.figure, rounds)
    below = values(bar.against, rounds) if bar.against else dict.fromkeys(above, 1.0)
    ratio = quotient(middle(above), middle(below))
    paired = [quotient(above[one], below[one]) for one in sorted(above.keys() & below.keys())]
    known = [one for one in paired if one is not None]
    worst = max(known, key=lambda one: badness(bar, one), default=None)
    if ratio is None:
        met = None
    elif bar.limit == "=":
        met = ratio == bar.value and all(one == bar.value for one in paired)
    else:
        met = holds(bar, ratio)
    return Verdict(bar.name, bar.wanted, ratio, worst, met)


def reconciled(rounds: Rounds) -> Verdict:
    """The verdict on the reconciliation. It also counts samples that later ones replaced."""
    if not rounds.samples:
        return Verdict(RECONCILED, "= 0", None, None, None)
    return Verdict(RECONCILED, "= 0", len(rounds.troubled), None, not rounds.troubled)


def values(figure: Figure, rounds: Rounds) -> dict[int, float]:
    return dict(rounds.figures(figure.scenario, figure.contender, figure.gateway).get(figure.name, {}))


def middle(of: Mapping[int, float]) -> float | None:
    return median(of.values()) if of else None


def quotient(above: float | None, below: float | None) -> float | None:
    """The ratio of two values; None if one is missing or the denominator is 0."""
    return above / below if above is not None and below else None


def holds(bar: Bar, ratio: float) -> bool:
    if bar.limit == "≥":
        return ratio >= bar.value
    return ratio < bar.value if bar.limit == "<" else ratio <= bar.value


def badness(bar: Bar, ratio: float) -> float:
    if bar.limit == "=":
        return abs(ratio - bar.value)
    return -ratio if bar.limit == "≥" else ratio
