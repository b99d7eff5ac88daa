"""What came of the faults: as a table to read, and as a file from which several runs make one table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

import msgspec
from rich.table import Table

from tests.chaos.faults import NONE


class Tally(msgspec.Struct):
    """One kind of fault on one kind of stack. `recoveries`: seconds from each fault's end to the last order settled."""

    fault: str
    stack: str
    rounds: int = 0
    orders: int = 0
    recoveries: list[float] = []
    problems: list[str] = []


class Report(msgspec.Struct, rename="camel"):
    """One run, or several: `seeds` are theirs. `takeovers`: seconds until a second relay had an order confirmed."""

    seeds: list[int] = []
    tallies: list[Tally] = []
    takeovers: list[float] = []

    def tally(self, fault: str, stack: str) -> Tally:
        """The one of this fault and this kind of stack; made if there is none."""
        for one in self.tallies:
            if (one.fault, one.stack) == (fault, stack):
                return one
        self.tallies.append(Tally(fault, stack))
        return self.tallies[-1]

    def add(self, other: Report) -> None:
        self.seeds += other.seeds
        self.takeovers += other.takeovers
        for theirs in other.tallies:
            mine = self.tally(theirs.fault, theirs.stack)
            mine.rounds += theirs.rounds
            mine.orders += theirs.orders
            mine.recoveries += theirs.recoveries
            mine.problems += theirs.problems

    @property
    def problems(self) -> list[str]:
        return [problem for one in self.tallies for problem in one.problems]

    @property
    def faults(self) -> int:
        """Rounds without a fault are the measure of the others and do not count."""
        return sum(one.rounds for one in self.tallies if one.fault != NONE)

    @property
    def orders(self) -> int:
        return sum(one.orders for one in self.tallies)

    def summary(self) -> str:
        takeovers = f"; a second relay took over within {max(self.takeovers):.2f} s" if self.takeovers else ""
        return f"{self.faults} faults, {self.orders} orders, {len(self.problems)} lost or doubled{takeovers}"

    def table(self) -> Table:
        table = Table("fault", "stack", "rounds", "orders", "recovery, median", "recovery, worst", "lost or doubled")
        for one in sorted(self.tallies, key=lambda one: (one.fault != NONE, one.stack, one.fault)):
            times = one.recoveries or [0.0]
            table.add_row(
                one.fault, one.stack, str(one.rounds), str(one.orders),
                f"{median(times):.1f} s", f"{max(times):.1f} s", str(len(one.problems)),
            )  # fmt: skip
        return table

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self)))


def merged(files: Iterable[Path]) -> Report:
    whole = Report()
    for file in files:
        whole.add(msgspec.json.decode(file.read_bytes(), type=Report))
    return whole
