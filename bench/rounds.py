"""The samples of a run, grouped by scenario, contender and figure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from bench.sample import Sample

OURS = "ours"
INPROCESS, HTTP = "inprocess", "http"
CPU = "cpu_ms_per_order"
"""The figure of all processes together. Figures of single processes have a suffix: `cpu_ms_per_order_web`."""
CPU_OF_CLIENT = "cpu_ms_per_order_client"
"""The figure of the load generator, which is not part of the total."""


class Rounds:
    """The rounds of a run. A later sample of a round replaces an earlier one. Samples with problems do not count."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)
        self.troubled = [sample for sample in self.samples if sample.problems]
        latest = {(one.gateway, one.scenario, one.contender, one.round): one for one in self.samples}
        self._latest = [latest[key] for key in sorted(latest)]

    def of(self, scenario: str, contender: str | None = None, gateway: str = INPROCESS) -> list[Sample]:
        """The samples of all rounds, including those with problems."""
        return [
            one
            for one in self._latest
            if (one.scenario, one.gateway) == (scenario, gateway) and contender in {None, one.contender}
        ]

    def scenarios(self, gateway: str = INPROCESS) -> list[str]:
        return sorted({one.scenario for one in self._latest if one.gateway == gateway})

    def contenders(self, scenario: str, gateway: str = INPROCESS) -> list[str]:
        """The contenders of a scenario, ours first."""
        return sorted(
            {one.contender for one in self.of(scenario, gateway=gateway)}, key=lambda name: (name != OURS, name)
        )

    def figures(self, scenario: str, contender: str, gateway: str = INPROCESS) -> dict[str, dict[int, float]]:
        """Values by figure and round, for rounds without problems."""
        found: dict[str, dict[int, float]] = {}
        for one in self.of(scenario, contender, gateway):
            for name, value in one.figures.items():
                if not one.problems:
                    found.setdefault(name, {})[one.round] = value
        return found

    @staticmethod
    def is_part(name: str) -> bool:
        """Whether the figure is the CPU time of one process of the total."""
        return name.startswith(f"{CPU}_") and name != CPU_OF_CLIENT

    def cpu(self, scenario: str, contender: str) -> dict[str, float]:
        """Median milliseconds per order, by process."""
        return {
            name.removeprefix(f"{CPU}_"): median(values.values())
            for name, values in self.figures(scenario, contender).items()
            if self.is_part(name)
        }
