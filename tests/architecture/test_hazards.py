"""docs/operations/hazards.md names a test for every hazard, and each of them exists."""

import ast
import re
from pathlib import Path

import pytest

from orderproject.stack.processes import PROJECT

PAGE = PROJECT / "docs" / "operations" / "hazards.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
HAZARDS = dict(re.findall(r"^- \*\*(.+?)\*\*(.*?)(?=^- |^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def missing(text: str) -> list[str]:
    """Tests that are named here and do not exist."""
    return [f"{path}::{name}" for path, name in TEST.findall(text) if name not in functions(PROJECT / path)]


def test_the_page_is_read_as_it_is_written() -> None:
    assert len(HAZARDS) == PAGE.read_text().count("\n- ") > 30


@pytest.mark.parametrize("hazard", HAZARDS)
def test_a_hazard_has_its_tests(hazard: str) -> None:
    assert TEST.findall(HAZARDS[hazard]), "name the test that shows it, as `path::name`"
    assert missing(HAZARDS[hazard]) == []


@pytest.mark.parametrize("name", ["tests/unit/test_plan.py::test_gone", "tests/gone/test_gone.py::test_gone"])
def test_one_that_is_gone_is_noticed(name: str) -> None:
    assert missing(f"`{name}`") == [name]
