"""A page of docs/howto carried out in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orderproject.stack.processes import PROJECT

BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: (?P<file>[\w./-]+))?(?: above=\"(?P<above>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "var")


@dataclass(frozen=True)
class Block:
    """A file, a part of one above a line of it, or commands."""

    language: str
    file: str
    above: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text())
    return [Block(one["language"], one["file"] or "", one["above"] or "", one["text"]) for one in found]


class Copy:
    """The project in another folder, with the interpreter of this one."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        shutil.copytree(PROJECT, folder, ignore=LEFT_OUT)
        (folder / ".venv").symlink_to(sys.prefix)

    def follow(self, page: Path) -> None:
        for block in blocks(page):
            if block.above:
                self._insert(block)
            elif block.file:
                self._write(block)
            else:
                assert block.language == "sh", f"a block of {block.language} that names no file"
                self.run("sh", "-e", "-c", block.text)

    def _write(self, block: Block) -> None:
        path = self.folder / block.file
        assert not path.exists(), f"{block.file} is there already"
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text)

    def _insert(self, block: Block) -> None:
        path = self.folder / block.file
        before, line, after = path.read_text().partition(f"\n{block.above}\n")
        assert line, f"{block.file} has no line {block.above!r}"
        path.write_text(f"{before}\n{block.text}{block.above}\n{after}")

    def run(self, *command: str, **environment: str) -> str:
        """What it said; it must succeed."""
        done = subprocess.run(
            command, cwd=self.folder, env={**self.environment, **environment}, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run(".venv/bin/python", "manage.py", *arguments)

    def changed(self) -> set[str]:
        """Files that are new or other than in the project."""
        files = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
        written = [file for file in files if "__pycache__" not in file.parts and not file.parts[0].startswith(".")]
        return {str(file) for file in written if self._is_new(file)}

    def _is_new(self, file: Path) -> bool:
        original = PROJECT / file
        return not original.exists() or original.read_bytes() != (self.folder / file).read_bytes()
