"""Heartbeats: a process touches `$HEARTBEAT_DIR/<name>` as long as it makes progress.

`python -m events.liveness.heartbeat check <name> --older-than 30` ends with 1 when the last sign is older, or missing.
Nothing is written where HEARTBEAT_DIR is not set.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

EVERY = 1.0
"""Seconds between two heartbeats, at least."""
SILENT_AFTER = 30.0
"""Seconds without a sign after which a process counts as stuck, unless `--older-than` says otherwise."""

_last: dict[str, float] = {}


def file(name: str) -> Path | None:
    folder = os.environ.get("HEARTBEAT_DIR")
    return Path(folder) / name if folder else None


def touch(name: str) -> None:
    """Writes a heartbeat. Cheap enough for every turn of a loop. Never raises: a full disk must not stop the work."""
    now = time.monotonic()
    if now - _last.get(name, -EVERY) < EVERY:
        return
    _last[name] = now
    if (sign := file(name)) is None:
        return
    try:
        sign.parent.mkdir(parents=True, exist_ok=True)
        sign.touch()
    except OSError as error:
        sys.stderr.write(f"heartbeat not written: {error}\n")


def age(name: str) -> float | None:
    """Seconds since the last heartbeat of any process with this name; None if there was none."""
    sign = file(name)
    try:
        return time.time() - sign.stat().st_mtime if sign else None
    except FileNotFoundError:
        return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m events.liveness.heartbeat")
    parser.add_argument("command", choices=["check"])
    parser.add_argument("name", help="a worker's name up to its @, or relay, or beat")
    parser.add_argument("--older-than", type=float, default=SILENT_AFTER, help="seconds")
    asked = parser.parse_args(arguments)
    seconds = age(asked.name)
    if seconds is not None and seconds <= asked.older_than:
        return 0
    sys.stderr.write(f"{asked.name}: {'no heartbeat' if seconds is None else f'silent for {seconds:.0f} s'}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
