"""The boards by themselves; `test_end_to_end.py` asks a real Prometheus for each of their expressions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from orderproject.stack.processes import PROJECT
from tests.alerts import boards, hurried
from tests.integration.composefile import raw

METRIC = re.compile(
    r"\b(?:events|orders|sagas|broker|http|database|processes|live|metrics|notifications|publishing)_\w+"
)
WIDTH = 24
FILES = boards.files()
EVERY = pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)


ROW = re.compile(r"^\| `([a-z0-9_]+)` \| \w+ \| ([^|]+) \|", re.MULTILINE)
SELECTOR = re.compile(rf"({METRIC.pattern})\{{([^}}]*)\}}")


def family(name: str) -> str:
    """The metric to which a series belongs."""
    return re.sub(r"_(bucket|count|sum)$", "", name)


def documented() -> dict[str, set[str]]:
    """The labels of every metric, by its name."""
    page = (PROJECT / "docs" / "operations" / "metrics.md").read_text()
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in ROW.findall(page)}


def asked() -> list[str]:
    return [one.text for one in boards.expressions()] + [rule["expr"] for rule in hurried.rules()]


def test_there_is_a_board_for_each_subject() -> None:
    assert [file.stem for file in FILES] == ["delivery", "orders", "sagas", "servers"]
    assert len({boards.load(file)["uid"] for file in FILES}) == len(FILES)


@EVERY
def test_every_panel_asks_for_something_and_says_what_it_shows(file: Path) -> None:
    for panel in boards.panels(boards.load(file)):
        assert panel["title"], file
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]
        assert all(target["expr"] for target in panel["targets"])
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]


@EVERY
def test_the_user_chooses_the_data_source(file: Path) -> None:
    board = boards.load(file)
    (chosen,) = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    assert (chosen["name"], chosen["query"]) == ("datasource", "prometheus")
    known = {one["name"] for one in board["templating"]["list"]} | boards.BUILT_IN.keys()
    used = {
        name for one in boards.expressions() if one.board == file.stem for name in re.findall(r"\$\{?(\w+)", one.text)
    }
    assert used <= known


@EVERY
def test_panels_lie_side_by_side(file: Path) -> None:
    board = boards.load(file)
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] + place["w"] <= WIDTH for place in places)
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
    taken = [
        (x, y)
        for one in places
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len(set(taken)) == len(taken), "two panels overlap"


def test_boards_and_rules_use_only_metrics_that_exist() -> None:
    used = {family(name) for text in asked() for name in METRIC.findall(text)}
    assert used <= documented().keys()


def test_boards_and_rules_select_only_by_labels_that_exist() -> None:
    known = documented()
    unknown = [
        (name, label)
        for text in asked()
        for name, selected in SELECTOR.findall(text)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected)
        if label not in known[family(name)] | {"le"}
    ]
    assert unknown == []


# --- Compose -----------------------------------------------------------------------------------------------


def test_compose_mounts_every_board_and_every_rule_file() -> None:
    services, files = raw()["services"], {name: one["file"] for name, one in raw()["configs"].items()}

    def mounted(name: str) -> dict[str, str]:
        return {one["target"]: files[one["source"]] for one in services[name]["configs"]}

    assert {f"deploy/grafana/dashboards/{file.name}" for file in FILES} <= set(mounted("grafana").values())
    rules = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())["rule_files"]
    assert rules == list(hurried.FILES)
    assert {f"/etc/prometheus/{name}" for name in rules} <= mounted("prometheus").keys()
    for service in ("prometheus", "alertmanager", "grafana", "collector"):
        assert all((PROJECT / file).is_file() for file in mounted(service).values())


def test_what_prometheus_and_grafana_ask_is_a_service() -> None:
    configured: dict[str, Any] = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())
    sources: dict[str, Any] = yaml.safe_load((PROJECT / "deploy/grafana/datasources.yml").read_text())
    targets = [target for job in configured["scrape_configs"] for target in job["static_configs"][0]["targets"]]
    urls = [one["url"] for one in sources["datasources"]]
    hosts = {target.partition(":")[0] for target in targets} | {urlsplit(url).hostname for url in urls}
    assert hosts - {"127.0.0.1"} <= raw()["services"].keys()


def test_prometheus_may_read_the_metrics_and_nothing_else_reaches_web_by_its_network() -> None:
    services = raw()["services"]
    subnet = raw()["networks"]["observability"]["ipam"]["config"][0]["subnet"]
    assert subnet in services["web"]["environment"]["METRICS_NETWORKS"]
    inside = {name for name, service in services.items() if "observability" in service.get("networks", [])}
    watching = {name for name, service in services.items() if service.get("profiles") == ["observability"]}
    assert inside == watching | {"web"}
