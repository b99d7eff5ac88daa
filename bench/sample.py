"""The result of one run of a scenario. Every contender prints it as a line of JSON, and the report reads it."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample. A figure's name has its unit: `per_second`, `p50_ms`, `p99_ms`, `cpu_ms_per_order`, `rss_mib`."""

    scenario: str
    contender: str
    gateway: str = "inprocess"
    """`inprocess`, or `http` if every contender calls the sandbox."""
    round: int = 1
    figures: dict[str, float]
    settings: dict[str, str] = {}
    """The settings that affect the figures."""
    problems: list[str] = []
    """The problems that the reconciliation found. The figures of a sample with problems do not count."""


def append(file: Path, sample: Sample) -> None:
    """Appends a sample to the file as a line of JSON."""
    with file.open("ab") as output:
        output.write(msgspec.json.encode(sample) + b"\n")


def load(file: Path) -> list[Sample]:
    """Reads all samples of the file in sequence."""
    return [msgspec.json.decode(line, type=Sample) for line in file.read_bytes().splitlines() if line]
