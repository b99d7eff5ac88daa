"""No module imports, by any way, what imports it: not for the type checker only, and not inside a function either."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

from orderproject.applications import PACKAGES
from orderproject.stack.processes import PROJECT


def modules(root: Path, packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Every module by its dotted name; a package by that of its `__init__`."""
    found = {}
    for package in packages:
        for path in (root / package).rglob("*.py"):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(source: str, known: Iterable[str]) -> set[str]:
    """The known modules that this source imports, wherever in it the import stands."""
    known, found = set(known), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
    return found & known


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of modules of which each leads to each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in graph[name]:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return sorted(found)


def graph_of(root: Path) -> dict[str, set[str]]:
    paths = modules(root)
    return {name: imports(path.read_text(), paths) for name, path in paths.items()}


def test_there_is_no_circle() -> None:
    assert circles(graph_of(PROJECT)) == []


def test_a_circle_is_found_wherever_its_import_stands() -> None:
    known = ["events.a", "events.b", "events.c"]
    for_types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from events.a import A"
    in_a_function = "def work():\n    from events import b"
    graph = {"events.a": imports("import events.b", known), "events.b": imports(for_types, known)}
    assert circles(graph) == [["events.a", "events.b"]]
    graph = {"events.a": imports(in_a_function, known), "events.b": {"events.c"}, "events.c": {"events.a"}}
    assert circles(graph) == [["events.a", "events.b", "events.c"]]
    assert circles({"events.a": {"events.b"}, "events.b": set()}) == []
