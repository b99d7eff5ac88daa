"""docs/operations/metrics.md and what `/metrics` exports agree, name by name."""

import re

import pytest

from orderproject.observability.metrics import Installation
from orderproject.stack.processes import PROJECT

pytestmark = pytest.mark.django_db

PAGE = PROJECT / "docs/operations/metrics.md"
ROW = re.compile(
    r"^\| `(?P<name>[a-z0-9_]+)` \| (?P<kind>\w+) \| (?P<labels>[^|]+) \| (?P<unit>[^|]+) \| (?P<meaning>[^|]+) \|$",
    re.MULTILINE,
)


def unit(name: str) -> str:
    """Prometheus' base unit, which is part of the name."""
    if name.endswith("_timestamp_seconds"):
        return "Unix time"
    if name.endswith("_seconds"):
        return "seconds"
    return "currency" if name in {"orders_revenue", "orders_refunded"} else "number"


def exported() -> dict[str, tuple[str, tuple[str, ...], str, str]]:
    """Type, labels, meaning and unit of every metric, by name."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type, tuple(vars(family)["_labelnames"]), family.documentation, unit(family.name),
        )
        for family in Installation().collect()
        if not family.name.startswith("tests_")  # what other tests have declared
    }  # fmt: skip


def written() -> dict[str, tuple[str, tuple[str, ...], str, str]]:
    return {
        row["name"]: (row["kind"], tuple(re.findall(r"`([a-z_]+)`", row["labels"])), row["meaning"], row["unit"])
        for row in ROW.finditer(PAGE.read_text())
    }


def test_the_page_lists_exactly_what_is_exported() -> None:
    assert written() == exported()


@pytest.mark.parametrize("text", ["| `a_total` | counter | `b`, `c` | number | Of what. |"])
def test_a_row_is_read_as_it_is_written(text: str) -> None:
    row = ROW.match(text)
    assert row is not None
    assert re.findall(r"`([a-z_]+)`", row["labels"]) == ["b", "c"]
