"""Keeps child processes running until a signal arrives, then stops them in order. Uses one thread."""

import signal
import time
from collections.abc import Callable, Iterable
from types import FrameType

from orderproject.stack.errors import ProcessFailed
from orderproject.stack.logs import limit_size
from orderproject.stack.processes import Process, ProcessSpec, how_it_ended
from orderproject.stack.restarting import Child

TICK = 0.05
SERVING_TICK = 0.5
"""Seconds between checks while serving. Shorter ticks would cost an idle stack measurable CPU time."""
STOP_WITHIN = 14.0
LOG_CHECK = 10.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """A stop signal arrived."""


class Supervisor:
    def __init__(self) -> None:
        self._waves: list[list[Child]] = []
        self._signals = 0
        self._logs_checked = 0.0

    def listen(self) -> None:
        """Installs signal handlers explicitly, because a shell starts background processes with SIGINT ignored."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    @property
    def children(self) -> list[Child]:
        return [child for wave in self._waves for child in wave]

    def add(self, wave: Iterable[Child]) -> None:
        """Adds children without starting them. They stop together, after all waves that are added later."""
        self._waves.append(list(wave))

    def start(self, which: Callable[[ProcessSpec], bool] = lambda _: True) -> None:
        """Starts the children that `which` selects and that have not been started, in the order of their addition."""
        for child in self.children:
            if not child.started and which(child.process.spec):
                child.start()

    def await_ready(self, timeout: float) -> None:
        """Waits until all started children are ready. Raises ProcessFailed and StopRequested."""
        deadline = time.monotonic() + timeout
        waiting = [child for child in self.children if child.started]
        while waiting:
            waiting = [child for child in waiting if not child.process.ready()]
            if waiting and time.monotonic() > deadline:
                raise ProcessFailed(waiting[0].process.failure_message(f"was not ready after {timeout:g} s"))
            self.tick()

    def never_give_up(self) -> None:
        """Restarts children without a limit from now on. Call it once the whole stack has been ready."""
        for child in self.children:
            child.never_gives_up = True

    def run(self, process: Process) -> int:
        """Runs a process to its end while it watches the children; returns the return code. Raises StopRequested."""
        process.start()
        try:
            while process.running:
                self.tick()
        finally:
            process.kill()
        return process.returncode or 0

    def prepare(self, process: Process) -> None:
        """Like `run`, for a process that must succeed. Raises ProcessFailed and StopRequested."""
        if self.run(process) != 0:
            raise ProcessFailed(process.failure_message(how_it_ended(process.returncode)))

    def serve(self) -> None:
        """Watches the children until StopRequested is raised."""
        while True:
            self.tick(SERVING_TICK)

    def tick(self, seconds: float = TICK) -> None:
        if self._signals:
            raise StopRequested
        for child in self.children:
            child.check()
        self._limit_logs()
        time.sleep(seconds)

    def _limit_logs(self) -> None:
        if time.monotonic() - self._logs_checked < LOG_CHECK:
            return
        self._logs_checked = time.monotonic()
        for child in self.children:
            if child.process.log:
                limit_size(child.process.log)

    def stop(self) -> None:
        """Stops the waves, the latest first, each within its timeouts. Another signal kills the rest immediately."""
        deadline = time.monotonic() + STOP_WITHIN
        patience = self._signals
        for wave in reversed(self._waves):
            for child in wave:
                child.process.terminate()
            for child in wave:
                until = min(deadline, time.monotonic() + child.process.spec.stop_timeout)
                while child.process.running and time.monotonic() < until and self._signals == patience:
                    time.sleep(TICK)
            for child in wave:
                child.process.kill()
