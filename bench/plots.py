"""Draws the plots of the report as SVG without a background, in colours that are readable on white and on black.

Needs matplotlib, which only requirements-bench.txt installs. The output is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from bench.rounds import CPU, OURS, Rounds

INK = "#747a83"
BLUE = "#2f7fe0"
GREY = "#98a0aa"
PROCESSES = ("#2f7fe0", "#d9792b", "#2f9e78", "#a06fd6", "#c8508a", "#a98e1f", "#4aa3b8", "#8a8f98")
WIDTH = 7.6
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw(rounds: Rounds, folder: Path) -> list[str]:
    """Draws the plots and returns their names. Skips what was not measured and removes plots of earlier runs."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with mpl.rc_context(STYLE):
        for name, plot in (("throughput", throughput), ("latency", latency), ("growth", growth), ("cpu", cpu)):
            file = folder / f"{name}.svg"
            figure = plot(rounds)
            if figure is None:
                file.unlink(missing_ok=True)
                continue
            figure.savefig(file, transparent=True, metadata={"Date": None, "Creator": None})
            drawn.append(name)
    return drawn


def throughput(rounds: Rounds) -> Figure | None:
    """One bar per contender, with a line from its slowest to its fastest round."""
    shown = {name: of for name in ("storm", "drain") if (of := measured(rounds, name, "per_second"))}
    if not shown:
        return None
    sizes = [len(of) + 0.4 for of in shown.values()]
    figure = of_height(sum(0.5 + 0.3 * size for size in sizes))
    panels = figure.subplots(len(shown), squeeze=False, height_ratios=sizes)
    for axes, (scenario, of) in zip(panels[:, 0], shown.items(), strict=True):
        bars(axes, of, f"{scenario}: orders finished per second")
    return figure


def bars(axes: Axes, of: dict[str, list[float]], title: str, *, digits: int = 0, least_first: bool = False) -> None:
    """One bar per contender with the median, and a line from the minimum to the maximum of its rounds."""
    names = sorted(of, key=lambda name: (median(of[name]), name), reverse=least_first)
    axes.barh(names, [median(of[name]) for name in names], color=colours(names), height=0.62)
    for place, name in enumerate(names):
        least, most = min(of[name]), max(of[name])
        axes.plot((least, most), (place, place), color=INK, linewidth=1.2, marker="|", markersize=7)
        label(axes, most, place, spaced(median(of[name]), digits))
    axes.set_title(title)
    only_names(axes, len(names))
    axes.set_xlim(0, 1.12 * max(max(values) for values in of.values()))


def latency(rounds: Rounds) -> Figure | None:
    """A line from p50 to p99 per contender."""
    p50, p99 = (measured(rounds, "light", name) for name in ("p50_ms", "p99_ms"))
    names = sorted(p50.keys() & p99.keys(), key=lambda name: -median(p50[name]))
    if not names:
        return None
    figure = of_height(0.85 + 0.34 * len(names))
    axes = figure.subplots()
    for name, colour, place in zip(names, colours(names), range(len(names)), strict=True):
        low, high = median(p50[name]), median(p99[name])
        axes.plot((low, high), (name, name), color=colour, linewidth=3, solid_capstyle="round")
        axes.plot((low,), (name,), "o", color=colour, markersize=8)
        axes.plot((high,), (name,), "D", color=colour, markersize=6)
        label(axes, high, place, f"{low:.1f} / {high:.1f}")
    axes.set_title("light load: placed to confirmed, p50 (●) and p99 (◆), ms")
    only_names(axes, len(names))
    axes.set_xlim(0, 1.2 * max(median(p99[name]) for name in names))
    return figure


def growth(rounds: Rounds) -> Figure | None:
    """Our throughput by the number of stored orders, and the limit of the bar."""
    stored = {
        int(name.removeprefix("growth-")): list(of.values())
        for name in rounds.scenarios()
        if name.startswith("growth-") and (of := rounds.figures(name, OURS).get("per_second"))
    }
    if len(stored) < 2:
        return None
    sizes = sorted(stored)
    middles = [median(stored[size]) for size in sizes]
    figure = of_height(2.6)
    axes = figure.subplots()
    for size in sizes:
        axes.plot((size, size), (min(stored[size]), max(stored[size])), color=BLUE, alpha=0.45, linewidth=5)
    axes.plot(sizes, middles, "o-", color=BLUE, linewidth=2)
    for size, middle in zip(sizes, middles, strict=True):
        axes.annotate(spaced(middle), (size, max(stored[size])), (0, 7), textcoords="offset points", ha="center")
    axes.axhline(0.9 * middles[0], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"0.9 of the first: {spaced(0.9 * middles[0])}",
        (sizes[0], 0.9 * middles[0]),
        (0, -12),
        textcoords="offset points",
    )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [spaced(size) for size in sizes])
    axes.xaxis.minorticks_off()
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: spaced(value))
    axes.set_ylim(0, 1.25 * max(max(values) for values in stored.values()))
    axes.set_xlim(sizes[0] * 0.6, sizes[-1] * 1.7)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title("growth: orders per second over the number of stored orders")
    return figure


def cpu(rounds: Rounds) -> Figure | None:
    """The total of each contender, and below it the parts of ours."""
    whole = measured(rounds, "storm", CPU)
    ours = main_parts(rounds.cpu("storm", OURS))
    if not whole or not ours:
        return None
    figure = of_height(2.3 + 0.34 * len(whole))
    upper, lower = figure.subplots(2, height_ratios=[len(whole) + 0.4, 1.2])
    bars(upper, whole, "storm: CPU of one order, ms, all processes together", digits=1, least_first=True)
    left = 0.0
    for (process, cost), colour in zip(ours.items(), PROCESSES, strict=False):
        lower.barh(("ours",), (cost,), left=left, color=colour, height=0.62, label=f"{process} {cost:.2f}")
        left += cost
    lower.set_title("of ours, by process")
    only_names(lower, 1)
    lower.set_xlim(0, 1.12 * left)
    lower.legend(loc="upper left", bbox_to_anchor=(-0.015, 0.0), ncols=4, frameon=False, handlelength=0.9)
    return figure


def main_parts(costs: dict[str, float]) -> dict[str, float]:
    """The parts by cost, the highest first. Parts beyond the number of colours are combined."""
    parts = dict(sorted(costs.items(), key=lambda one: (-one[1], one[0])))
    if len(parts) > len(PROCESSES):
        names = list(parts)[len(PROCESSES) - 1 :]
        parts["others"] = sum(parts.pop(name) for name in names)
    return parts


def of_height(inches: float) -> Figure:
    return Figure(figsize=(WIDTH, inches), layout=ConstrainedLayoutEngine(hspace=0.06))


def measured(rounds: Rounds, scenario: str, name: str) -> dict[str, list[float]]:
    found = {}
    for contender in rounds.contenders(scenario):
        values = rounds.figures(scenario, contender).get(name)
        if values:
            found[contender] = list(values.values())
    return found


def colours(contenders: Sequence[str]) -> list[str]:
    return [BLUE if name == OURS else GREY for name in contenders]


def label(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(text, (x, y), (7, 0), textcoords="offset points", va="center")


def only_names(axes: Axes, count: int) -> None:
    """Hides the lower axis, because the bars have labels."""
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    axes.set_ylim(-0.6, count - 0.4)


def spaced(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}".replace(",", " ")
