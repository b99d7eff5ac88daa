"""`python -m bench.report SAMPLES OUTPUT`: writes the samples of a run as a Markdown page with plots.

It reads `machine.json` beside the samples, so that the page describes the machine that was measured. The output is
deterministic. Without matplotlib the page has no plots.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from statistics import median

from bench import machine as machines
from bench.bars import Verdict, verdicts
from bench.described import SCENARIOS, Scenario, described
from bench.machine import Machine
from bench.rounds import HTTP, INPROCESS, OURS, Rounds
from bench.sample import Sample, load

NOT_MEASURED = "not measured"
PLOTS = "plots"
CAPTIONS = {
    "throughput": "Orders per second of every contender, in storm and drain",
    "latency": "Milliseconds from placed to confirmed under light load",
    "growth": "Orders per second over the number of stored orders",
    "cpu": "CPU of one order by process",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.report")
    parser.add_argument("samples", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--machine", type=Path, help="the file that bench.machine saved; by default machine.json beside the samples"
    )
    parser.add_argument("--title", default="Results")
    options = parser.parse_args()
    file = options.machine or options.samples.with_name("machine.json")
    machine = machines.load(file) if file.exists() else None
    write(options.samples, options.output, machine=machine, title=options.title)


def write(samples: Path, output: Path, *, machine: Machine | None, title: str = "Results") -> None:
    """Writes the page to `output`, and the plots to a folder beside it if matplotlib is installed."""
    read = load(samples)
    drawn: list[str] = []
    if find_spec("matplotlib"):
        # A dynamic import, because type checkers would follow an import statement, and matplotlib is optional.
        drawn = import_module("bench.plots").draw(Rounds(read), output.parent / PLOTS)
    output.write_text(render(read, machine=machine, title=title, plots=drawn), encoding="utf-8")


def render(samples: Iterable[Sample], *, machine: Machine | None, title: str, plots: Collection[str] = ()) -> str:
    """The text of the page. `plots` are the names of the drawn plots."""
    rounds = Rounds(samples)
    parts = [
        [f"# {title}", summary(rounds)],
        bars(verdicts(rounds)),
        [picture(name) for name in CAPTIONS if name in plots],
        environment(machine),
        *(section(one, rounds) for one in ordered(rounds)),
        over_http(rounds),
        by_process(rounds),
        settings(rounds),
        problems(rounds),
    ]
    return "\n\n".join(paragraph for part in parts for paragraph in part) + "\n"


def summary(rounds: Rounds) -> str:
    found = [verdict.met for verdict in verdicts(rounds)]
    return (
        f"Of {len(found)} bars, met: {found.count(True)}; not met: {found.count(False)}; "
        f"{NOT_MEASURED}: {found.count(None)}. "
        "All contenders ran one after the other, on the same servers and cores, and did the same work for an order. "
        "Each figure is the median of its rounds; a round whose rows did not reconcile gives no figure."
    )


def bars(found: Sequence[Verdict]) -> list[str]:
    met = {True: "yes", False: "**no**", None: NOT_MEASURED}
    rows = [(one.name, one.wanted, number(one.median), number(one.worst), met[one.met]) for one in found]
    return [
        "## Bars",
        "Ratios compare medians. The worst round is the worst ratio of the two sides, round by round.",
        table(("bar", "wanted", "measured", "worst round", "met"), rows, "llrrl"),
    ]


def picture(name: str) -> str:
    return f"![{CAPTIONS[name]}]({PLOTS}/{name}.svg)"


def environment(machine: Machine | None) -> list[str]:
    heading = "## Machine, versions, settings"
    if machine is None:
        return [heading, "Not recorded."]
    postgres = listed(machine.postgres_settings) or "nothing differs from its defaults"
    rows = [
        ("CPU", machine.cpu),
        ("cores", f"{machine.cores_used} used of {machine.cores_present}"),
        ("memory", f"{machine.memory_gib:g} GiB"),
        ("kernel", machine.kernel),
        ("commit", machine.commit + (", with changes that are not committed" if machine.dirty else "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
        ("PostgreSQL", postgres),
        ("Valkey", listed(machine.valkey_settings)),
    ]
    return [heading, table(("", ""), rows, "ll")]


def ordered(rounds: Rounds) -> list[Scenario]:
    """The scenarios with samples: first those with a description, then the others."""
    seen = [described(name) for gateway in (INPROCESS, HTTP) for name in main_names(gateway, rounds)]
    return [one for one in SCENARIOS if one in seen] + [one for one in seen if one not in SCENARIOS]


def main_names(gateway: str, rounds: Rounds) -> list[str]:
    """The scenarios whose main table uses this gateway. Growth scenarios are sorted by size."""
    names = [name for name in rounds.scenarios(gateway) if described(name).gateway == gateway]
    return sorted(names, key=lambda name: (len(name), name))


def section(scenario: Scenario, rounds: Rounds) -> list[str]:
    lead, gateway = scenario.figure, scenario.gateway
    rows = [
        (name, *line(name, contender, lead, rounds, gateway))
        for name in main_names(gateway, rounds)
        if described(name) == scenario
        for contender in rounds.contenders(name, gateway)
    ]
    columns = ("scenario", "contender", lead, "min to max", "rounds", "other figures")
    paragraphs = [scenario.text] if scenario.text else []
    return [f"## {scenario.heading}", *paragraphs, table(columns, rows, "llrrrl")]


def line(scenario: str, contender: str, lead: str, rounds: Rounds, gateway: str) -> tuple[str, ...]:
    figures = rounds.figures(scenario, contender, gateway)
    values = figures.get(lead, {}).values()
    ran = len(rounds.of(scenario, contender, gateway))
    good = sum(not one.problems for one in rounds.of(scenario, contender, gateway))
    others = {
        name: number(median(of.values())) for name, of in figures.items() if name != lead and not rounds.is_part(name)
    }
    return (
        contender,
        number(median(values)) if values else NOT_MEASURED,
        f"{number(min(values))} to {number(max(values))}" if values else "",
        str(ran) if good == ran else f"{good} of {ran}",
        listed(others),
    )


def over_http(rounds: Rounds) -> list[str]:
    """The second table: scenarios that were measured with both gateways."""
    rows = []
    for name in rounds.scenarios(HTTP):
        if described(name).gateway == HTTP:
            continue
        lead = described(name).figure
        ours = rounds.figures(name, OURS, HTTP).get(lead, {}).values()
        for contender in rounds.contenders(name, HTTP):
            cells = line(name, contender, lead, rounds, HTTP)
            theirs = rounds.figures(name, contender, HTTP).get(lead, {}).values()
            ratio = number(median(ours) / median(theirs)) if ours and theirs and median(theirs) else ""
            rows.append((name, cells[0], lead, *cells[1:4], ratio, cells[4]))
    if not rows:
        return ["## With the gateway over HTTP", f"{NOT_MEASURED.capitalize()}."]
    columns = ("scenario", "contender", "figure", "median", "min to max", "rounds", "ours / it", "other figures")
    return [
        "## With the gateway over HTTP",
        "The same work, but every contender calls the payment sandbox over HTTP instead of a function.",
        table(columns, rows, "lllrrrrl"),
    ]


def by_process(rounds: Rounds) -> list[str]:
    costs = {contender: rounds.cpu("storm", contender) for contender in rounds.contenders("storm")}
    rows = [
        (contender, process, number(cost))
        for contender, of in costs.items()
        for process, cost in sorted(of.items(), key=lambda one: (-one[1], one[0]))
    ]
    heading = "## CPU of one order, by process"
    if not rows:
        return [heading, f"{NOT_MEASURED.capitalize()}."]
    return [heading, "Milliseconds, in the storm.", table(("contender", "process", "ms per order"), rows, "llr")]


def settings(rounds: Rounds) -> list[str]:
    """The settings of each contender, by scenario where they differ."""
    used = sorted({(one.contender, listed(one.settings), one.scenario) for one in rounds.samples if one.settings})
    rows = [
        (contender, ", ".join(scenario for *_, scenario in group), text)
        for (contender, text), group in groupby(used, key=lambda one: one[:2])
    ]
    return ["## Settings of the contenders", table(("contender", "scenarios", "settings"), rows, "lll")] if rows else []


def problems(rounds: Rounds) -> list[str]:
    if not rounds.troubled:
        return []
    lines = []
    for one in rounds.troubled:
        found = " ".join("; ".join(one.problems).split())
        lines.append(f"- {one.scenario}, {one.contender}, {one.gateway}, round {one.round}: {found}")
    return ["## What did not reconcile", "\n".join(lines)]


def number(value: float | None) -> str:
    """Formats a figure with at least three significant digits and separated thousands; "" for None."""
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def listed(named: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(named.items()))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    """A Markdown table. `align` has one letter per column: l or r."""
    rule = ["---:" if letter == "r" else "---" for letter in align]
    escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in (columns, rule, *rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


if __name__ == "__main__":
    main()
