"""The rules in deploy/prometheus made faster: all times divided by one number, everything else as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.programs import RULES

FILES = ("alerts.yml", "objectives.yml")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(\d+)([smhd])")
RANGE = re.compile(r"\[(\d+[smhd])\]")
AGE = re.compile(r"([<>] \d+ \* )60\b")
"""An age in minutes, as in `> 5 * 60`."""


def groups(file: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load((RULES / file).read_text())["groups"]
    return loaded


def rules() -> Iterator[dict[str, Any]]:
    """All rules as they are written."""
    for file in FILES:
        for group in groups(file):
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def write(folder: Path, factor: float) -> list[Path]:
    """The files with rules that are `factor` times faster."""
    written = [folder / file for file in FILES]
    for path in written:
        faster = [{**group, "rules": [_faster(rule, factor) for rule in group["rules"]]} for group in groups(path.name)]
        path.write_text(yaml.safe_dump({"groups": faster}, sort_keys=False))
    return written


def _faster(rule: dict[str, Any], factor: float) -> dict[str, Any]:
    times: dict[str, Any] = {key: _divided(rule[key], factor) for key in ("for", "keep_firing_for") if key in rule}
    return {**rule, **times, "expr": expression(rule["expr"], factor)}


def expression(text: str, factor: float) -> str:
    text = RANGE.sub(lambda found: f"[{_divided(found[1], factor)}]", text)
    return AGE.sub(lambda found: f"{found[1]}{60 / factor:g}", text)


def _divided(duration: str, factor: float) -> str:
    found = DURATION.fullmatch(duration)
    assert found, f"{duration}: write a number and one of s, m, h, d"
    return f"{round(int(found[1]) * SECONDS[found[2]] * 1000 / factor)}ms"
