"""Which processes run: what each says of itself, written by the thread that writes its counts."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from events.conf import event_settings
from events.db.query import execute
from events.metrics import flush, sql

LONGEST = 300
"""Characters of what a process does."""


@dataclass(frozen=True)
class Presence:
    """One process. `silent`: seconds since it last reported; more than `flush.SILENT_AFTER` means it was killed."""

    kind: str
    name: str
    host: str
    pid: int
    release: str
    serves: Sequence[str]
    doing: str
    started_at: datetime
    silent: float

    @property
    def lives(self) -> bool:
        return self.silent <= flush.SILENT_AFTER


@dataclass(frozen=True)
class _Introduction:
    kind: str
    name: str
    serves: str
    doing: Callable[[], str]
    began: float


_introductions: dict[int, _Introduction] = {}
"""By process id, because a child of a fork introduces itself."""


def introduce(kind: str, name: str = "", serves: Sequence[str] = (), doing: Callable[[], str] = str) -> None:
    """`doing` is called every few seconds and returns a short text. Idempotent."""
    _introductions.setdefault(os.getpid(), _Introduction(kind, name, " ".join(serves), doing, time.monotonic()))


@flush.each_turn
def tell() -> None:
    """Writes nothing while nothing changes."""
    said = _introductions.get(os.getpid())
    if said is None:
        return
    me = flush.identity()
    execute(sql.PRESENT, {
        "id": me, "kind": said.kind, "name": said.name, "host": platform.node(), "pid": os.getpid(),
        "release": event_settings.RELEASE, "serves": said.serves, "doing": said.doing()[:LONGEST],
        "age": time.monotonic() - said.began,
    })  # fmt: skip
    execute(sql.FORGET_ABSENT, [me])


def processes() -> list[Presence]:
    """Those that run, and those that were killed within the last hour. One statement."""
    return [
        Presence(kind, name, host, pid, release, tuple(serves.split()), doing, started_at, silent)
        for kind, name, host, pid, release, serves, doing, started_at, silent in execute(sql.PROCESSES, [])
    ]
