"""The boards in deploy/grafana as Grafana reads them: panels, expressions, variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.alerts.programs import BOARDS

RATE_INTERVAL = "30s"
"""Four times the scrape interval, but at least some writes of the processes' counts."""
BUILT_IN = {"__rate_interval": RATE_INTERVAL, "__interval": "5s", "__range": "5m"}


@dataclass(frozen=True)
class Expression:
    board: str
    panel: str
    text: str

    def filled_in(self, variables: Mapping[str, str]) -> str:
        """As Grafana sends it. Raises KeyError for an unknown variable."""
        values = {**BUILT_IN, **variables}
        return re.sub(r"\$\{?(\w+)(?::\w+)?\}?", lambda found: values[found[1]], self.text)


def files() -> list[Path]:
    return sorted(BOARDS.glob("*.json"))


def load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(file.read_text())
    return loaded


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Without the rows that only group them."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[Expression]:
    for file in files():
        for panel in panels(load(file)):
            for target in panel["targets"]:
                yield Expression(file.stem, panel["title"], target["expr"])


def variables() -> dict[str, str]:
    """The queries of all variables, by name."""
    return {
        one["name"]: one["query"]["query"]
        for file in files()
        for one in load(file)["templating"]["list"]
        if one["type"] == "query"
    }
