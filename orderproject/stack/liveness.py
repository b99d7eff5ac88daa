"""Detects stalled processes: a process is alive while it touches its heartbeat file or its liveness probe succeeds."""

import time
from pathlib import Path

from orderproject.stack.processes import Process

START_TIMEOUT = 120.0


class LivenessCheck:
    """Detects that a process makes no progress.

    It compares the file's time with its previous one instead of the clock, so that a suspended machine kills nothing.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._seen = 0.0
        self._changed = 0.0
        self._looked = 0.0
        self._asked = 0.0

    def restart(self) -> None:
        self._seen = 0.0
        self._changed = self._looked = time.monotonic()
        if file := self._process.spec.heartbeat:
            file.unlink(missing_ok=True)

    def is_stalled(self) -> bool:
        spec, now = self._process.spec, time.monotonic()
        if spec.heartbeat is None and spec.alive is None:
            return False
        if now - self._looked > spec.silence / 2:  # this process itself was suspended
            self._changed = now
        self._looked = now
        sign = self._sign(now)
        if sign != self._seen:
            self._seen, self._changed = sign, now
        return now - self._changed > (spec.silence if self._seen else START_TIMEOUT)

    def _sign(self, now: float) -> float:
        """The time of the last sign of life. Probes run less often than the supervisor's ticks."""
        spec = self._process.spec
        if spec.heartbeat:
            return _modified(spec.heartbeat)
        if spec.alive is None or now - self._asked < spec.silence / 6:
            return self._seen
        self._asked = now
        return now if spec.alive(self._process) else self._seen


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
