"""A process that is to run for as long as the stack does."""

import time
from collections.abc import Callable

from orderproject.stack.errors import ProcessFailed
from orderproject.stack.processes import Process, how_it_ended
from orderproject.stack.pulse import SignsOfLife
from orderproject.stack.terminal import say

FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
# Whoever ran for this long is forgiven what went before.
STEADY = 30.0
HOPELESS = 5


class Child:
    """Starts its process again whenever it dies, ever later.

    Until `forgiving` is set, which is when the whole stack has been ready once, dying over and over raises
    ProcessFailed: then something is wrong that time does not heal.
    """

    def __init__(self, process: Process, before_start: Callable[[], None] = lambda: None) -> None:
        self.process = process
        self.forgiving = False
        self.started = False
        self._before_start = before_start
        self._deaths = 0
        self._due: float | None = None
        self._pulse = SignsOfLife(process)

    def start(self) -> None:
        self.started = True
        self._due = None
        self._before_start()
        self._pulse.restart()
        self.process.start()

    def look_after(self) -> None:
        if not self.started:
            return
        if self.process.running:
            if self._pulse.gone():
                spec = self.process.spec
                say(f"{spec.name} runs but has given no sign of life for {spec.silence:g} s; it is ended.")
                self.process.kill()
            return
        if self._due is None:
            self._mourn()
        elif time.monotonic() >= self._due:
            self.start()

    def _mourn(self) -> None:
        process = self.process
        ending = how_it_ended(process.returncode)
        process.kill()  # what it left behind would hold its port
        lived = time.monotonic() - process.started_at
        self._deaths = 1 if lived > STEADY else self._deaths + 1
        if self._deaths >= HOPELESS and not self.forgiving:
            raise ProcessFailed(process.story(f"{ending}, {self._deaths} times in a row"))
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (self._deaths - 1))
        self._due = time.monotonic() + delay
        say(f"{process.spec.name} {ending}; it is started again in {delay:g} s. Its log: {process.log}")
