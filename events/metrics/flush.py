"""Writes what this process has counted, every few seconds and when it ends, in one statement.

A process that is killed loses what it counted since it wrote last: `EVERY` seconds at most. Its messages and rows are
not lost, so the work is done, and counted, by another process.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connection, transaction

from events.db.query import execute
from events.db.time_limit import limited
from events.errors import TimeLimitExceeded
from events.metrics import sql
from events.metrics.memory import VALUE, Exemplar, Key, Memory, here

log = structlog.get_logger(__name__)

EVERY = 5.0
"""Seconds between two writes of a process."""
SILENT_AFTER = 20.0
"""Seconds after which a process that reports nothing counts as ended."""
PATIENCE = 2.0
"""Seconds that the last write may take; a worker that stops has few more."""
FORGOTTEN_AFTER = 3600.0
"""Seconds after which what it reported is deleted."""

Reports = Mapping[tuple[str, tuple[str, ...]], float]
"""What a process says of itself now: by metric and labels."""


def write(memory: Memory = here) -> None:
    """Adds what `memory` holds to the totals. If that fails, it keeps it and raises DatabaseError or InterfaceError."""
    taken = memory.take()
    try:
        with transaction.atomic():
            _send(sql.ADD, taken.counts, **_columns_of(taken.counts, taken.exemplars))
            _send(sql.HAPPENED, taken.ages)
    except (DatabaseError, InterfaceError):
        memory.put_back(taken)
        raise


def _columns_of(counts: Mapping[Key, float], exemplars: Mapping[Key, Exemplar]) -> dict[str, list[Any]]:
    """The exemplar of each count; most have none. `ages` are seconds."""
    now = time.monotonic()
    found = [exemplars.get(key) for key in counts]
    return {
        "traces": [one and one.trace_id for one in found],
        "seen": [one and one.value for one in found],
        "ages": [one and now - one.at for one in found],
    }


def _send(statement: str, numbers: Mapping[Key, float], **more: Any) -> None:
    if not numbers:
        return
    columns = {
        "metrics": [key.metric for key in numbers],
        "labels": [stored(key.labels) for key in numbers],
        "parts": [key.part for key in numbers],
        "values": list(map(float, numbers.values())),
    }
    execute(statement, {**columns, **more})


def stored(labels: Iterable[str]) -> str:
    """Label values as the table holds them."""
    return msgspec.json.encode(list(labels)).decode()


# --- the thread -----------------------------------------------------------------------------------------------


def each_turn(work: Callable[[], None]) -> Callable[[], None]:
    """`work` is called every `EVERY` seconds in each process that counts. It must be short and may raise."""
    _turns.append(work)
    return work


def start(report: Callable[[], Reports] = dict) -> None:
    """Writes from now on, in a thread of its own, and once more when this process ends. Idempotent.

    `report` is called at each turn: what it returns counts as long as this process lives.
    """
    _writer_of(os.getpid(), report).start()


def identity() -> str:
    """The id of this process in the stored rows. Call it in a process that has started to write."""
    return _writers[os.getpid()].process


def finish() -> None:
    """Writes for the last time: for processes that end without Python's own exit."""
    writer = _writers.get(os.getpid())
    if writer is not None:
        writer.finish()


_turns: list[Callable[[], None]] = []
_writers: dict[int, _Writer] = {}


class _Writer:
    """One per process, because threads do not survive a fork."""

    def __init__(self, report: Callable[[], Reports]) -> None:
        self.process, self._report = str(uuid4()), report
        self._ending = threading.Event()

    @cache  # noqa: B019  one writer per process, which lives as long
    def start(self) -> None:
        threading.Thread(target=self._run, name="metrics", daemon=True).start()
        atexit.register(self.finish)

    def _run(self) -> None:
        self._turn(self._say)
        while not self._ending.wait(EVERY):
            for work in (write, self._say, *_turns):
                self._turn(work)

    def _turn(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            log.info("counts not written yet; the database is unreachable", error=str(error))
        except Exception:  # a metric must never stop a process
            log.exception("metrics not written")
        finally:
            close_old_connections()

    def _say(self) -> None:
        said = {Key(metric, labels, VALUE): value for (metric, labels), value in self._report().items()}
        _send(sql.REPORT, said, process=self.process)
        execute(sql.FORGET_SILENT, [FORGOTTEN_AFTER])

    def finish(self) -> None:
        if not self._ending.is_set():
            self._ending.set()
            try:
                with limited(PATIENCE):
                    for work in (write, self._leave):
                        self._turn(work)
            except TimeLimitExceeded:
                log.warning("last counts not written in time")
            connection.close()

    def _leave(self) -> None:
        execute(sql.LEAVE, [self.process])


def _writer_of(pid: int, report: Callable[[], Reports]) -> _Writer:
    return _writers.setdefault(pid, _Writer(report))
