"""The rules by themselves: promtool accepts them, every alert has cases, and every alert has a page to act by."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orderproject.stack.processes import PROJECT
from tests.alerts import hurried
from tests.alerts.monitoring import ROUTES
from tests.alerts.programs import RULES, needs_prometheus, run

CASES = sorted(Path(__file__).with_name("cases").glob("*.yml"))
NAMES = sorted({rule["alert"] for rule in hurried.alerts()})
PAGE = PROJECT / "docs" / "operations" / "alerts.md"


def checked() -> list[tuple[str, bool]]:
    """Alerts of the cases, each with whether it must fire."""
    tests: list[dict[str, Any]] = [test for file in CASES for test in yaml.safe_load(file.read_text())["tests"]]
    return [(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test["alert_rule_test"]]


def section(page: Path, name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


@needs_prometheus
def test_prometheus_and_alertmanager_accept_their_files() -> None:
    assert run("promtool", "check", "config", RULES / "prometheus.yml").returncode == 0
    assert run("promtool", "check", "rules", *(RULES / file for file in hurried.FILES)).returncode == 0
    assert run("amtool", "check-config", ROUTES).returncode == 0


@pytest.mark.slow
@needs_prometheus
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_must_and_never_else(cases: Path) -> None:
    told = run("promtool", "test", "rules", cases)
    assert told.returncode == 0, told.stdout + told.stderr


@needs_prometheus
def test_a_case_that_is_wrong_fails(tmp_path: Path) -> None:
    wrong = (CASES[0].parent / "readers.yml").read_text().replace("../../../deploy", str(PROJECT / "deploy"))
    (tmp_path / "wrong.yml").write_text(wrong.replace("of 2 streams", "of 3 streams"))
    assert run("promtool", "test", "rules", tmp_path / "wrong.yml").returncode == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    assert {(name, True), (name, False)} <= set(checked())


def test_nothing_may_fire_while_there_are_no_data() -> None:
    (test,) = yaml.safe_load((CASES[0].parent / "no_data.yml").read_text())["tests"]
    assert {one["alertname"] for one in test["alert_rule_test"] if not one["exp_alerts"]} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_says_what_to_do(name: str) -> None:
    rules = [rule for rule in hurried.alerts() if rule["alert"] == name]
    assert {rule["labels"]["severity"] for rule in rules} <= {"critical", "warning"}
    for rule in rules:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor == name.lower()
        text = section(PROJECT / page, name)
        assert all(f"**{part}**" in text for part in ("Meaning", "Check", "Repair")), f"{page}: describe {name}"
        assert f"[{name}]({Path(page).name}#{anchor})" in PAGE.read_text()


def test_pages_describe_no_other_alerts() -> None:
    described = {
        name
        for page in PAGE.parent.glob("*.md")
        for name in re.findall(r"^## (\w+)\n(?:(?!^## ).*\n)*?\*\*Meaning\*\*", page.read_text(), re.MULTILINE)
    }
    assert described == set(NAMES)


@pytest.mark.parametrize(
    ("text", "faster"),
    [
        ("rate(a_total[5m]) > 0.1", "rate(a_total[30000ms]) > 0.1"),
        ("time() - a > 2 * 60", "time() - a > 2 * 6"),
        ("b < 15 * 60 and c > 60", "b < 15 * 6 and c > 60"),
        ("predict_linear(a[6h], 24 * 60 * 60) < 0", "predict_linear(a[2160000ms], 24 * 60 * 60) < 0"),
    ],
)
def test_tests_make_the_rules_faster_and_change_nothing_else(text: str, faster: str) -> None:
    assert hurried.expression(text, 10) == faster
