"""Log files of child processes: the current file and one older file each, limited in size."""

import shutil
from pathlib import Path

MAX_BYTES = 8_000_000


def rotate(log: Path) -> None:
    """Renames the log of the previous run. Call it before the process starts."""
    if log.exists():
        log.replace(_old(log))


def limit_size(log: Path) -> None:
    """Copies and truncates a large log while its process writes, because the process keeps the file open."""
    if log.exists() and log.stat().st_size > MAX_BYTES:
        shutil.copyfile(log, _old(log))
        with log.open("r+b") as output:
            output.truncate()


def _old(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")
