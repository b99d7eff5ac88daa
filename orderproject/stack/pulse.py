"""Whether a process that runs also gets on with its work: it then touches its heartbeat file, or answers when asked."""

import time
from pathlib import Path

from orderproject.stack.processes import Process

START_WITHIN = 120.0


class SignsOfLife:
    """Compares the file with itself and not with the clock, so that a machine that slept kills nobody."""

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

    def gone(self) -> bool:
        spec, now = self._process.spec, time.monotonic()
        if spec.heartbeat is None and spec.lives is None:
            return False
        if now - self._looked > spec.silence / 2:  # we were the ones who stood still
            self._changed = now
        self._looked = now
        sign = self._sign(now)
        if sign != self._seen:
            self._seen, self._changed = sign, now
        return now - self._changed > (spec.silence if self._seen else START_WITHIN)

    def _sign(self, now: float) -> float:
        """The time of the last one. Whoever has to be asked is not asked at every tick."""
        spec = self._process.spec
        if spec.heartbeat:
            return _modified(spec.heartbeat)
        if spec.lives is None or now - self._asked < spec.silence / 6:
            return self._seen
        self._asked = now
        return now if spec.lives(self._process) else self._seen


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
