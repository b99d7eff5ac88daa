"""CPU time and memory of processes and their descendants, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of each process and its descendants, including ended ones that their parents have waited for."""
    table = _table()
    return {name: sum(table[pid][1] for pid in _tree(table, root)) for name, root in roots.items()}


def resident_mib(roots: Mapping[str, int]) -> dict[str, float]:
    """Resident memory in MiB of each process and its descendants. Shared pages count for each process."""
    table = _table()
    return {name: sum(_resident(pid) for pid in _tree(table, root)) / 2**20 for name, root in roots.items()}


def parent_of(pid: int) -> int:
    """The id of the parent process. Raises KeyError if the process does not exist."""
    return _table()[pid][0]


def _table() -> dict[int, tuple[int, float]]:
    """Parent id and CPU seconds by process id, including children that the process has waited for."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            found[int(folder.name)] = (int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / TICKS)
    return found


def _tree(table: Mapping[int, tuple[int, float]], root: int) -> set[int]:
    found = {root} & table.keys()
    while more := {pid for pid, (parent, _) in table.items() if parent in found} - found:
        found |= more
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0
