"""Signs of life: a process touches `$HEARTBEAT_DIR/<name>` as long as it gets on with its work.

`python -m events.heartbeat check <name> --older-than 30` ends with 1 when the last sign is older, or missing.
Nothing is written where HEARTBEAT_DIR is not set. `events.livez` says the same over HTTP.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

EVERY = 1.0
"""Seconds between two signs, at least."""
SILENT_AFTER = 30.0
"""Seconds without a sign after which a process counts as stuck, if nobody says otherwise."""

_last: dict[str, float] = {}


def file(name: str) -> Path | None:
    folder = os.environ.get("HEARTBEAT_DIR")
    return Path(folder) / name if folder else None


def beat(name: str) -> None:
    """A sign of life; cheap enough for every turn of a loop. A full disk is no reason to stop working."""
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
        sys.stderr.write(f"no sign of life written: {error}\n")


def began(name: str) -> None:
    """Its first sign is awaited from now on."""
    _last.setdefault(name, time.monotonic() - EVERY)


def silence(name: str) -> float:
    """Seconds since the last sign of this very process."""
    return time.monotonic() - _last[name]


def age(name: str) -> float | None:
    """Seconds since the last sign; None if there has been none."""
    sign = file(name)
    try:
        return time.time() - sign.stat().st_mtime if sign else None
    except FileNotFoundError:
        return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m events.heartbeat")
    parser.add_argument("command", choices=["check"])
    parser.add_argument("name", help="the name of a worker before its @, or relay, or beat")
    parser.add_argument("--older-than", type=float, default=SILENT_AFTER, help="seconds")
    asked = parser.parse_args(arguments)
    seconds = age(asked.name)
    if seconds is not None and seconds <= asked.older_than:
        return 0
    sys.stderr.write(f"{asked.name}: {'no sign of life' if seconds is None else f'silent for {seconds:.0f} s'}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
