"""The kernel and the packages below it name no service of this project: another project can take them as they are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.service import declared_queues_of
from orderproject.applications import SERVICES
from orderproject.stack.processes import PROJECT

KERNEL = ("desk", "web", "events", "sagas")
NAMES = {*SERVICES, *declared_queues_of(SERVICES)}
WORD = re.compile(rf"\b({'|'.join(sorted(NAMES))}|sku)\b", re.IGNORECASE)
SOURCES = sorted(path for package in KERNEL for path in (PROJECT / package).rglob("*.py"))
OTHERS = sorted(
    path for package in KERNEL for kind in ("html", "css", "lua") for path in (PROJECT / package).rglob(f"*.{kind}")
)


def named(source: str) -> set[str]:
    """The services that stand in this source as an identifier or within a string; a docstring may illustrate."""
    tree = ast.parse(source)
    shown = {id(text) for text in _docstrings(tree)}
    found: set[str] = set()
    for node in ast.walk(tree):
        found |= {name for name in _identifiers(node) if name.lower() in NAMES}
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in shown:
            found |= set(WORD.findall(node.value))
    return found


def _docstrings(tree: ast.AST) -> Iterator[ast.expr]:
    """Also the texts below constants and fields."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def _identifiers(node: ast.AST) -> Iterator[str]:
    for field in ("id", "attr", "arg", "name", "asname", "module"):
        if isinstance(name := getattr(node, field, None), str):
            yield from name.split(".")


@pytest.mark.parametrize("path", [*SOURCES, *OTHERS], ids=lambda path: str(path.relative_to(PROJECT)))
def test_it_names_no_service(path: Path) -> None:
    text = path.read_text()
    assert (named(text) if path.suffix == ".py" else set(WORD.findall(text))) == set()


@pytest.mark.parametrize(
    ("source", "service"),
    [
        ("from orders.models import Order", "orders"),
        ("import payments", "payments"),
        ("queue = Queue.INVENTORY", "INVENTORY"),
        ("def work(notifications): ...", "notifications"),
        ("assign('sagas.sweep', queue='orders')", "orders"),
        ("raise LookupError(f'ask payments about {this}')", "payments"),
        ("names = {'sku', 'quantity'}", "sku"),
    ],
)
def test_each_is_noticed(source: str, service: str) -> None:
    assert named(source) == {service}


def test_a_docstring_may_illustrate() -> None:
    assert named('def declare_queue(name):\n    """`ORDERS = declare_queue("orders")`"""') == set()
    assert named('STREAMS = "streams"\n"""Not orders."""') == set()
