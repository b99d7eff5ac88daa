"""What one run of one scenario gave: the line that every contender prints and the report reads."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Figures are named with their unit: `per_second`, `p50_ms`, `p99_ms`, `cpu_ms_per_order`, `rss_mib`."""

    scenario: str
    contender: str
    gateway: str = "inprocess"
    """`inprocess`, or `http` where every contender calls the sandbox."""
    round: int = 1
    figures: dict[str, float]
    settings: dict[str, str] = {}
    """What was set, as far as another value would give other figures."""
    problems: list[str] = []
    """What the reconciliation found; a figure with problems does not count."""


def append(file: Path, sample: Sample) -> None:
    """Adds a line of JSON."""
    with file.open("ab") as output:
        output.write(msgspec.json.encode(sample) + b"\n")


def load(file: Path) -> list[Sample]:
    """All lines of the file, in their order."""
    return [msgspec.json.decode(line, type=Sample) for line in file.read_bytes().splitlines() if line]
