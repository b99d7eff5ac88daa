"""The bars of the benchmark and its page, from made-up samples: what is met, what is not, and what nobody measured."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import machine as machines
from bench.bars import BARS, RECONCILED, Bar, Figure, Verdict, judge, verdicts
from bench.described import SCENARIOS, described
from bench.machine import Machine
from bench.report import number, render, table
from bench.rounds import Rounds
from bench.sample import Sample, append, load

MACHINE = Machine(
    cpu="A CPU",
    cores_used=2,
    cores_present=4,
    memory_gib=15.6,
    kernel="Linux 6.1",
    versions={"Python": "3.11.7", "PostgreSQL": "18.6", "dbos": "not installed"},
    postgres_settings={},
    valkey_settings={"appendonly": "yes", "appendfsync": "everysec"},
    commit="1234abc",
    dirty=True,
)
FASTER = Bar("storm", Figure("storm"), Figure("storm", "celery-solo"), "≥", 5)
EXACT = Bar("flash", Figure("flash", name="confirmed"), Figure("flash", name="stock"), "=", 1)
IDLE = Bar("idle", Figure("idle", name="cpu_percent"), None, "<", 3)


def samples(scenario: str, contender: str, name: str = "per_second", *values: float) -> list[Sample]:
    """One for each round, from the first."""
    return [
        Sample(scenario=scenario, contender=contender, round=count, figures={name: value})
        for count, value in enumerate(values, 1)
    ]


def storm(contender: str, *values: float) -> list[Sample]:
    return samples("storm", contender, "per_second", *values)


def judged(bar: Bar, *of: Sample) -> Verdict:
    return judge(bar, Rounds(of))


def page(*of: Sample, machine: Machine | None = MACHINE, plots: Sequence[str] = ()) -> str:
    return render(of, machine=machine, title="Results", plots=plots)


def line_of(text: str, beginning: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {beginning} |")]
    return found


def test_a_bar_compares_medians_and_tells_the_worst_round():
    verdict = judged(FASTER, *storm("ours", 600, 700, 2000), *storm("celery-solo", 100, 175, 100))
    assert verdict == Verdict("storm", "≥ 5", median=7.0, worst=4.0, met=True)


def test_a_bar_just_reached_is_met_and_just_missed_is_not():
    assert judged(FASTER, *storm("ours", 500), *storm("celery-solo", 100)).met is True
    assert judged(FASTER, *storm("ours", 499.9), *storm("celery-solo", 100)).met is False


def test_a_limit_from_above_has_its_worst_round_above():
    bar = Bar("p99", Figure("light", name="p99_ms"), Figure("light", "dbos-queue", "p99_ms"), "<", 1)
    ours, theirs = samples("light", "ours", "p99_ms", 20, 50, 30), samples("light", "dbos-queue", "p99_ms", 40, 40, 30)
    verdict = judged(bar, *ours, *theirs)
    assert (verdict.median, verdict.worst, verdict.met) == (0.75, 1.25, True)
    assert judged(bar, *ours[:1], *samples("light", "dbos-queue", "p99_ms", 20)).met is False


def test_only_rounds_with_both_sides_are_paired():
    verdict = judged(FASTER, *storm("ours", 600, 700), *storm("celery-solo", 100))
    assert (verdict.median, verdict.worst) == (6.5, 6.0)


@pytest.mark.parametrize("there", [[], storm("ours", 600), storm("celery-solo", 100)])
def test_what_lacks_a_side_is_not_measured(there: list[Sample]):
    verdict = judged(FASTER, *there)
    assert (verdict.median, verdict.worst, verdict.met) == (None, None, None)


def test_a_peer_that_finished_nothing_gives_no_ratio():
    assert judged(FASTER, *storm("ours", 600), *storm("celery-solo", 0)).met is None


def test_a_round_with_problems_gives_no_figure_but_is_told():
    lost = Sample(scenario="storm", contender="ours", round=2, figures={"per_second": 9000}, problems=["1 order lost"])
    rounds = Rounds([*storm("ours", 600), lost, *storm("celery-solo", 100, 100)])
    assert judge(FASTER, rounds).median == 6.0
    assert verdicts(rounds)[-1] == Verdict(RECONCILED, "= 0", 1, None, False)
    text = page(*rounds.samples)
    assert "- storm, ours, inprocess, round 2: 1 order lost" in text
    assert "9 000" not in text
    assert "| 1 of 2 |" in text


def test_a_later_sample_of_the_same_round_replaces_the_figure_but_not_the_problem():
    lost = Sample(scenario="storm", contender="ours", round=1, figures={"per_second": 9000}, problems=["1 order lost"])
    rounds = Rounds([lost, *storm("ours", 600), *storm("celery-solo", 100)])
    assert judge(FASTER, rounds).median == 6.0
    assert verdicts(rounds)[-1].met is False


def again(sample: Sample, count: int) -> Sample:
    return Sample(scenario=sample.scenario, contender=sample.contender, round=count, figures=sample.figures)


def test_what_must_be_exact_must_be_so_in_every_round():
    stock = {"stock": 500.0}
    right, wrong = (
        Sample(scenario="flash", contender="ours", round=count, figures={"confirmed": confirmed, **stock})
        for count, confirmed in ((1, 500), (2, 501))
    )
    assert judged(EXACT, right).met is True
    verdict = judged(EXACT, right, wrong, again(right, 3))
    assert (verdict.median, verdict.met) == (1.0, False)
    assert verdict.worst == pytest.approx(1.002)


def test_a_bar_of_one_figure_needs_no_other_side():
    verdict = judged(IDLE, *samples("idle", "ours", "cpu_percent", 1.5, 2.0, 4.0))
    assert (verdict.median, verdict.worst, verdict.met) == (2.0, 4.0, True)


def test_what_is_compared_with_the_storm_is_compared_with_the_one_before_it():
    (large,) = [bar for bar in BARS if bar.name.startswith("large")]
    verdict = judged(large, *storm("ours", 8000), *samples("large", "ours", "ratio", 0.75))
    assert (verdict.median, verdict.met) == (0.75, True)


def test_the_gateway_over_http_gives_no_bar():
    over_http = Sample(scenario="storm", contender="ours", gateway="http", figures={"per_second": 600})
    assert judged(FASTER, over_http, *storm("celery-solo", 100)).met is None


def test_every_bar_has_its_own_name_and_a_described_scenario():
    assert len({bar.name for bar in BARS}) == len(BARS)
    figures = [figure for bar in BARS for figure in (bar.figure, bar.against) if figure]
    assert {described(figure.scenario).name for figure in figures} <= {one.name for one in SCENARIOS}


def test_the_page_of_nothing_says_that_nothing_was_measured():
    text = page(machine=None)
    assert f"met: 0; not met: 0; not measured: {len(BARS) + 1}." in text
    assert "Not recorded." in text
    assert "plots/" not in text


def test_the_page_tells_bars_scenarios_and_machine():
    text = page(*storm("ours", 800, 1200.4, 1000), *storm("celery-solo", 100, 100, 100))
    assert line_of(text, "storm: ours / celery-solo, orders per second").endswith("| ≥ 5 | 10 | 8 | yes |")
    assert line_of(text, "storm: ours / dbos-queue, orders per second").endswith("|  |  | not measured |")
    assert "| storm | ours | 1 000 | 800 to 1 200 | 3 |  |" in text
    assert "1234abc, with changes that are not committed" in text
    assert "appendfsync everysec, appendonly yes" in text
    assert "nothing differs from its defaults" in text
    assert "## Drain" not in text


def test_the_page_does_not_depend_on_the_order_of_the_samples():
    there = [*storm("ours", 800, 900), *storm("dbos-queue", 90), *samples("growth-1000", "ours", "per_second", 5)]
    assert page(*there) == page(*reversed(there))


def test_a_scenario_that_nobody_described_is_shown_all_the_same():
    text = page(Sample(scenario="accepting", contender="ours", figures={"per_second": 700, "python_ms": 1.25}))
    assert "## Accepting" in text
    assert "| accepting | ours | 700 | 700 to 700 | 1 | python_ms 1.25 |" in text


def test_sizes_of_growth_stand_in_one_table_by_size():
    there = [one for size in (5_000_000, 1000) for one in samples(f"growth-{size}", "ours", "per_second", 9)]
    text = page(*there)
    assert text.count("## Growth") == 1
    assert text.index("| growth-1000 |") < text.index("| growth-5000000 |")


def test_the_gateway_over_http_has_its_own_table_with_ratios():
    there = [
        Sample(scenario="storm", contender=contender, gateway="http", figures={"per_second": value})
        for contender, value in (("ours", 600), ("dbos-queue", 60))
    ]
    assert "| storm | dbos-queue | per_second | 60 | 60 to 60 | 1 | 10 |  |" in page(*there)


def test_a_slow_gateway_stands_with_the_bars():
    slow = Sample(scenario="slow", contender="ours", figures={"per_second": 600, "ratio": 0.6})
    text = page(slow, *storm("ours", 1000))
    assert line_of(text, "slow / the storm before it, orders per second").endswith("| 0.60 | 0.60 | yes |")
    assert text.count("| slow | ours |") == 1
    assert text.index("## Slow gateway") < text.index("## With the gateway over HTTP")


def test_cpu_is_told_by_process_and_apart_from_the_other_figures():
    figures = {"per_second": 900, "cpu_ms_per_order": 2, "cpu_ms_per_order_web": 1.5, "cpu_ms_per_order_relay": 0.5}
    figures["cpu_ms_per_order_client"] = 0.75
    text = page(Sample(scenario="storm", contender="ours", figures=figures))
    assert text.index("| ours | web | 1.50 |") < text.index("| ours | relay | 0.50 |")
    assert "| 1 | cpu_ms_per_order 2, cpu_ms_per_order_client 0.75 |" in text
    assert "| ours | client |" not in text


def test_settings_are_told_once_for_the_scenarios_that_share_them():
    there = [
        Sample(scenario=scenario, contender="dbos-queue", figures={}, settings={"threads": threads, "limit": "1|2"})
        for scenario, threads in (("storm", "8"), ("drain", "8"), ("light", "1"))
    ]
    text = page(*there)
    assert "| dbos-queue | light | limit 1\\|2, threads 1 |" in text
    assert "| dbos-queue | drain, storm | limit 1\\|2, threads 8 |" in text


def test_plots_are_shown_where_they_were_drawn():
    text = page(plots=["cpu", "throughput"])
    assert text.index("(plots/throughput.svg)") < text.index("(plots/cpu.svg)")
    assert "(plots/growth.svg)" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (0.456, "0.46"), (12.34, "12.3"), (500, "500"), (1234.5, "1 234"), (5_000_000, "5 000 000")],
)
def test_numbers_have_the_digits_that_count(value: float | None, text: str):
    assert number(value) == text


def test_a_table_aligns_numbers_to_the_right():
    assert table(("name", "value"), [("a", "1")], "lr") == "| name | value |\n| --- | ---: |\n| a | 1 |"


def test_samples_and_machine_come_back_from_their_files(tmp_path: Path):
    there = storm("ours", 800, 900)
    for one in there:
        append(tmp_path / "samples.jsonl", one)
    machines.save(MACHINE, tmp_path / "machine.json")
    assert load(tmp_path / "samples.jsonl") == there
    assert machines.load(tmp_path / "machine.json") == MACHINE


def test_the_machine_is_told_without_paths(tmp_path: Path):
    assert machines.without_path("/var/lib/data") == "(a path)"
    assert machines.without_path("2GB") == "2GB"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.50GHz\n")
    assert machines.cpu_model(tmp_path / "cpuinfo") == "Some CPU @ 2.50GHz"
    assert machines.cpu_model(tmp_path / "nowhere")


def test_outside_a_repository_the_commit_is_unknown(tmp_path: Path):
    assert machines.revision(tmp_path) == ("unknown", False)


def test_a_package_that_is_not_there_is_said_to_be_so():
    assert machines.installed(("celery", "no-such-package"))["no-such-package"] == "not installed"
