"""Restarts a process that must run as long as the stack runs."""

import time
from collections.abc import Callable

from orderproject.stack.errors import ProcessFailed
from orderproject.stack.liveness import LivenessCheck
from orderproject.stack.processes import Process, how_it_ended
from orderproject.stack.terminal import say

FIRST_DELAY = 0.5
MAX_DELAY = 10.0
# Seconds of running after which earlier failures no longer count.
STABLE_AFTER = 30.0
MAX_FAILURES = 5


class Child:
    """Restarts its process whenever it dies, with increasing delays.

    Raises ProcessFailed after MAX_FAILURES failures in a row, unless `never_gives_up` is set. The stack sets it once
    everything has been ready: until then, repeated failures mean that the configuration is wrong.
    """

    def __init__(self, process: Process, before_start: Callable[[], None] = lambda: None) -> None:
        self.process = process
        self.never_gives_up = False
        self.started = False
        self._before_start = before_start
        self._deaths = 0
        self._due: float | None = None
        self._liveness = LivenessCheck(process)

    def start(self) -> None:
        self.started = True
        self._due = None
        self._before_start()
        self._liveness.restart()
        self.process.start()

    def check(self) -> None:
        if not self.started:
            return
        if self.process.running:
            if self._liveness.is_stalled():
                spec = self.process.spec
                say(f"{spec.name} has been stalled for {spec.silence:g} s. Killing it …")
                self.process.kill()
            return
        if self._due is None:
            self._schedule_restart()
        elif time.monotonic() >= self._due:
            self.start()

    def _schedule_restart(self) -> None:
        process = self.process
        ending = how_it_ended(process.returncode)
        process.kill()  # processes that it started could still hold its port
        lived = time.monotonic() - process.started_at
        self._deaths = 1 if lived > STABLE_AFTER else self._deaths + 1
        if self._deaths >= MAX_FAILURES and not self.never_gives_up:
            raise ProcessFailed(process.failure_message(f"{ending}, {self._deaths} times in a row"))
        delay = min(MAX_DELAY, FIRST_DELAY * 2 ** (self._deaths - 1))
        self._due = time.monotonic() + delay
        say(f"{process.spec.name} {ending}. Restarting it in {delay:g} s. Its log: {process.log}")
