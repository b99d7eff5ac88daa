"""Keeps children running until told to stop, then stops them in order, all from one thread."""

import signal
import time
from collections.abc import Callable, Iterable
from types import FrameType

from orderproject.stack.child import Child
from orderproject.stack.errors import ProcessFailed
from orderproject.stack.logs import keep_small
from orderproject.stack.processes import Process, ProcessSpec, how_it_ended

TICK = 0.05
TICK_OF_SERVING = 0.5
"""Five looks a second at every child cost a stack that has nothing to do a sixth of a percent of a core."""
STOP_WITHIN = 14.0
LOG_CHECK = 10.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """Somebody sent a signal."""


class Supervisor:
    def __init__(self) -> None:
        self._waves: list[list[Child]] = []
        self._signals = 0
        self._logs_checked = 0.0

    def listen(self) -> None:
        """Explicit handlers: a shell that starts us in the background has SIGINT ignored."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    @property
    def children(self) -> list[Child]:
        return [child for wave in self._waves for child in wave]

    def add(self, wave: Iterable[Child]) -> None:
        """Children that are stopped together, after all waves that were added later; they are not started yet."""
        self._waves.append(list(wave))

    def start(self, which: Callable[[ProcessSpec], bool] = lambda _: True) -> None:
        """Those that were not started yet, in the order of adding."""
        for child in self.children:
            if not child.started and which(child.process.spec):
                child.start()

    def await_ready(self, timeout: float) -> None:
        """All that were started. Raises ProcessFailed, StopRequested."""
        deadline = time.monotonic() + timeout
        waiting = [child for child in self.children if child.started]
        while waiting:
            waiting = [child for child in waiting if not child.process.ready()]
            if waiting and time.monotonic() > deadline:
                raise ProcessFailed(waiting[0].process.story(f"was not ready after {timeout:g} s"))
            self.tick()

    def forgive(self) -> None:
        """The stack has been ready: from now on nothing that dies makes it give up."""
        for child in self.children:
            child.forgiving = True

    def run(self, process: Process) -> int:
        """To its end, while the children are looked after; the return code. Raises StopRequested."""
        process.start()
        try:
            while process.running:
                self.tick()
        finally:
            process.kill()
        return process.returncode or 0

    def prepare(self, process: Process) -> None:
        """Like `run`, for what must succeed. Raises ProcessFailed."""
        if self.run(process) != 0:
            raise ProcessFailed(process.story(how_it_ended(process.returncode)))

    def serve(self) -> None:
        """Until StopRequested."""
        while True:
            self.tick(TICK_OF_SERVING)

    def tick(self, seconds: float = TICK) -> None:
        if self._signals:
            raise StopRequested
        for child in self.children:
            child.look_after()
        self._keep_logs_small()
        time.sleep(seconds)

    def _keep_logs_small(self) -> None:
        if time.monotonic() - self._logs_checked < LOG_CHECK:
            return
        self._logs_checked = time.monotonic()
        for child in self.children:
            if child.process.log:
                keep_small(child.process.log)

    def stop(self) -> None:
        """The latest wave first, each with its time; another signal meanwhile ends all patience."""
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
