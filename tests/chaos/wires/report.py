"""What came of the faults at a wire, as a table to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from rich.table import Table


@dataclass
class Report:
    """`recoveries`: by fault, the seconds from its end until the publisher published again."""

    recoveries: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """Gaps, inversions and duplicates."""
    problems: list[str] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0
    takeovers: int = 0

    @property
    def faults(self) -> int:
        return sum(len(all_of_a_kind) for all_of_a_kind in self.recoveries.values())

    def table(self) -> Table:
        table = Table("fault", "times", "recovery, median", "recovery, worst")
        for name, seconds in sorted(self.recoveries.items()):
            table.add_row(name, str(len(seconds)), f"{median(seconds):.1f} s", f"{max(seconds):.1f} s")
        return table

    def summary(self, name: str) -> str:
        counted = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        return (
            f"{name}: {self.faults} faults, {self.events} events, {counted}, {self.takeovers} takeovers,"
            f" {self.seconds:.0f} s"
        )
