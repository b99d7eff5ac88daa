"""What the pages point to exists."""

import re
from pathlib import Path

import pytest

from orderproject.stack.processes import PROJECT

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*\w)`")
MADE_AT_RUN_TIME = {"var/static", "var/stack", "var/stack/logs", "var/stack/mail"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_and_files_are_there(page: Path) -> None:
    text = page.read_text()
    links = [target for target in LINK.findall(text) if not (page.parent / target).exists()]
    files = [file for file in FILE.findall(text) if not (PROJECT / file).exists()]
    assert links == []
    assert set(files) <= MADE_AT_RUN_TIME


def test_decisions_are_numbered_without_gap_and_short() -> None:
    decisions = sorted((PROJECT / "docs" / "decisions").glob("*.md"))
    assert [int(decision.name[:4]) for decision in decisions] == list(range(1, len(decisions) + 1))
    for decision in decisions:
        assert decision.read_text().startswith(f"# {int(decision.name[:4])}. ")
        assert len(decision.read_text().splitlines()) <= 15
