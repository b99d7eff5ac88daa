"""Logs of children: one file and its predecessor each, kept small."""

import shutil
from pathlib import Path

LARGEST = 8_000_000


def set_aside(log: Path) -> None:
    """At the start of the stack: a fresh file, the last one beside it."""
    if log.exists():
        log.replace(_old(log))


def keep_small(log: Path) -> None:
    """While its process writes: copied and cut, since the process keeps the file open (for appending)."""
    if log.exists() and log.stat().st_size > LARGEST:
        shutil.copyfile(log, _old(log))
        with log.open("r+b") as output:
            output.truncate()


def _old(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")
