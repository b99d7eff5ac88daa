"""A real Prometheus with a real Alertmanager and node exporter, on loopback, for a shop of the tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import yaml

from orderproject.stack.ports import HOST, free_port
from orderproject.stack.probes import answers_http
from orderproject.stack.processes import PROJECT, Process, ProcessSpec
from tests.alerts import hurried
from tests.alerts.programs import program

ROUTES = PROJECT / "deploy" / "alertmanager" / "alertmanager.yml"
OF_THE_MACHINE = {"DiskAlmostFull", "DiskFillsUp"}
"""They tell of the disks of the machine that runs the tests, which no fault here fills."""
LONG_WINDOWS = {"6h", "3d"}
"""Alerts on error budgets over them add up all faults of a test, which follow each other within minutes."""


@dataclass(frozen=True)
class Monitoring:
    """What an operator would see. `factor`: how many times faster than in production time passes for the rules."""

    prometheus: str
    alertmanager: str
    factor: float

    def alerts(self) -> set[str]:
        """The names of the alerts that an operator is told of now: firing, and not kept back."""
        query = urlencode({"active": "true", "silenced": "false", "inhibited": "false"})
        told = _json(f"{self.alertmanager}/api/v2/alerts?{query}")
        return _names(alert["labels"] for alert in told)

    def kept_back(self) -> set[str]:
        """Those that fire, and that an operator is not told of."""
        found = _json(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]
        return _names(one["labels"] for one in found if one["state"] == "firing") - self.alerts()

    def of_range(self, expression: str, seconds: float) -> list[dict[str, Any]]:
        """The series of an expression over the last seconds, as a panel asks for them. Raises for a bad expression."""
        now = time.time()
        query = urlencode({"query": expression, "start": now - seconds, "end": now, "step": 5})
        found: list[dict[str, Any]] = _json(f"{self.prometheus}/api/v1/query_range?{query}")["data"]["result"]
        return found

    def values(self, label: str, selector: str) -> list[str]:
        """As the variable of a board asks for them."""
        query = urlencode({"match[]": selector})
        found: list[str] = _json(f"{self.prometheus}/api/v1/label/{label}/values?{query}")["data"]
        return found

    def broken_rules(self) -> list[str]:
        groups = _json(f"{self.prometheus}/api/v1/rules")["data"]["groups"]
        return [
            f"{rule['name']}: {rule['lastError']}"
            for group in groups
            for rule in group["rules"]
            if rule.get("lastError")
        ]

    def wait_until(self, seen: Callable[[set[str]], bool], within: float) -> float:
        """Returns the seconds until the alerts are as wanted."""
        began = time.monotonic()
        while not seen(now := self.alerts()):
            took = time.monotonic() - began
            assert took < within, (
                f"after {took:.0f} s: {sorted(now) or 'no alert'}; kept back: {sorted(self.kept_back())}"
            )
            time.sleep(0.3)
        return time.monotonic() - began


def _names(alerts: Iterable[dict[str, str]]) -> set[str]:
    return {labels["alertname"] for labels in alerts if labels.get("window") not in LONG_WINDOWS} - OF_THE_MACHINE


def _json(url: str) -> Any:
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)


@contextmanager
def monitoring(folder: Path, shop_url: str, factor: float) -> Iterator[Monitoring]:
    """Scrapes every two seconds, with rules that are `factor` times faster than in production."""
    folder.mkdir(parents=True)
    alerts, node, prometheus = free_port(), free_port(), free_port()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_configured(folder, shop_url, alerts, node, factor)))
    with ExitStack() as running:
        for spec in (_alertmanager(folder, alerts), _node_exporter(node), _prometheus(folder, prometheus)):
            process = Process(spec, folder / f"{spec.name}.log")
            process.start()
            running.callback(process.stop)
            process.wait_ready()
        yield Monitoring(f"http://{HOST}:{prometheus}", f"http://{HOST}:{alerts}", factor)


def _configured(folder: Path, shop_url: str, alerts: int, node: int, factor: float) -> dict[str, Any]:
    def job(name: str, target: str) -> dict[str, Any]:
        return {"job_name": name, "static_configs": [{"targets": [target]}]}

    return {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in hurried.write(folder, factor)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{alerts}"]}]}]},
        "scrape_configs": [job("orderproject", urlsplit(shop_url).netloc), job("node", f"{HOST}:{node}")],
    }


def _path(name: str) -> str:
    found = program(name)
    assert found, f"{name} is missing: run .ci/prometheus"
    return str(found)


def _alertmanager(folder: Path, port: int) -> ProcessSpec:
    argv = (
        *(_path("prometheus-alertmanager"), f"--config.file={ROUTES}", f"--storage.path={folder / 'alertmanager'}"),
        *(f"--web.listen-address={HOST}:{port}", "--cluster.listen-address="),
    )
    return ProcessSpec("alertmanager", argv, {}, answers_http(port, "/-/ready"))


def _node_exporter(port: int) -> ProcessSpec:
    argv = (_path("prometheus-node-exporter"), f"--web.listen-address={HOST}:{port}")
    return ProcessSpec("node-exporter", argv, {}, answers_http(port, "/"))


def _prometheus(folder: Path, port: int) -> ProcessSpec:
    argv = (
        *(_path("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={HOST}:{port}"),
        *(f"--storage.tsdb.path={folder / 'data'}", "--rules.alert.resend-delay=5s"),
    )
    return ProcessSpec("prometheus", argv, {}, answers_http(port, "/-/ready"))
