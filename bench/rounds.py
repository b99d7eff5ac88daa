"""The samples of a run, by what was measured of whom."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from bench.sample import Sample

OURS = "ours"
INPROCESS, HTTP = "inprocess", "http"
CPU = "cpu_ms_per_order"
"""Of all processes together; `cpu_ms_per_order_web` is that of one of them."""
CPU_OF_CLIENT = "cpu_ms_per_order_client"
"""Of who places the orders: no part of the whole."""


class Rounds:
    """A later sample of the same round stands for an earlier one; one with problems gives no figure."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)
        self.troubled = [sample for sample in self.samples if sample.problems]
        latest = {(one.gateway, one.scenario, one.contender, one.round): one for one in self.samples}
        self._latest = [latest[key] for key in sorted(latest)]

    def of(self, scenario: str, contender: str | None = None, gateway: str = INPROCESS) -> list[Sample]:
        """One for each round, those with problems included."""
        return [
            one
            for one in self._latest
            if (one.scenario, one.gateway) == (scenario, gateway) and contender in {None, one.contender}
        ]

    def scenarios(self, gateway: str = INPROCESS) -> list[str]:
        return sorted({one.scenario for one in self._latest if one.gateway == gateway})

    def contenders(self, scenario: str, gateway: str = INPROCESS) -> list[str]:
        """Ours first."""
        return sorted(
            {one.contender for one in self.of(scenario, gateway=gateway)}, key=lambda name: (name != OURS, name)
        )

    def figures(self, scenario: str, contender: str, gateway: str = INPROCESS) -> dict[str, dict[int, float]]:
        """Name of the figure → round → value, of the rounds that count."""
        found: dict[str, dict[int, float]] = {}
        for one in self.of(scenario, contender, gateway):
            for name, value in one.figures.items():
                if not one.problems:
                    found.setdefault(name, {})[one.round] = value
        return found

    @staticmethod
    def is_part(name: str) -> bool:
        """Whether this figure is the CPU of one process of the whole."""
        return name.startswith(f"{CPU}_") and name != CPU_OF_CLIENT

    def cpu(self, scenario: str, contender: str) -> dict[str, float]:
        """Process → milliseconds for one order, at the median."""
        return {
            name.removeprefix(f"{CPU}_"): median(values.values())
            for name, values in self.figures(scenario, contender).items()
            if self.is_part(name)
        }
