"""Processes of their own session that never outlive us. Used by the stack, and by tests that need real ones.

Start them from the main thread: on Linux a child dies with the *thread* that started it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orderproject.stack.errors import ProcessFailed
from orderproject.stack.identity import Identity
from orderproject.stack.probes import Probe, runs_for

PROJECT = Path(__file__).resolve().parents[2]
LAUNCHER = Path(__file__).with_name("launch.py")
POLL = 0.02
TAIL_BYTES = 64_000
SURVIVES = runs_for(0.5)


@dataclass(frozen=True)
class ProcessSpec:
    """What to run. `env` is the whole environment, or None for a copy of ours."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    ready: Probe = SURVIVES
    stop_signal: int = signal.SIGTERM
    stop_timeout: float = 5.0
    # What the kernel sends it when we die without stopping it (Linux).
    death_signal: int = signal.SIGKILL
    identity: Identity | None = None
    # The stack starts what needs no schema while the schema is made.
    needs_schema: bool = True
    # The file that it touches while it gets on with its work, and for how many seconds it may not.
    heartbeat: Path | None = None
    # Where it has none: how to ask whether it still serves.
    lives: Probe | None = None
    silence: float = 30.0


class Process:
    """One run after another of a spec. Output is added to `log`, or goes to our terminal if that is None."""

    def __init__(self, spec: ProcessSpec, log: Path | None = None) -> None:
        self.spec = spec
        self.log = log
        self.started_at = 0.0
        self._popen: subprocess.Popen[bytes] | None = None
        self._group_ended = False
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen else None

    @property
    def returncode(self) -> int | None:
        """None while it runs and before the first start; negative is the signal that ended it."""
        return self._popen.poll() if self._popen else None

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        if self.running:
            raise RuntimeError(f"{self.spec.name} runs already")
        self.started_at = time.monotonic()
        if self.log is None:
            self._spawn(None)
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._spawn(output.fileno())

    def _spawn(self, output: int | None) -> None:
        spec = self.spec
        launch = (sys.executable, "-I", "-S", str(LAUNCHER))
        how = (str(os.getpid()), str(int(spec.death_signal)), str(spec.identity or "-"))
        self._group_ended = False
        self._popen = subprocess.Popen(
            [*launch, *how, *spec.argv],
            cwd=PROJECT,
            env=spec.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def ready(self) -> bool:
        return self.running and self.spec.ready(self)

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Raises ProcessFailed."""
        deadline = time.monotonic() + timeout
        while not self.ready():
            if not self.running:
                raise ProcessFailed(self.story(f"{how_it_ended(self.returncode)} before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessFailed(self.story(f"was not ready after {timeout:g} s"))
            time.sleep(POLL)

    def wait(self, timeout: float) -> bool:
        """Whether it has ended; does not raise when the time is over."""
        if self._popen:
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        return not self.running

    def signal(self, number: int) -> None:
        if self._popen:
            self._popen.send_signal(number)

    def terminate(self) -> None:
        """Asks it to stop, in its own way, and does not wait."""
        self.signal(self.spec.stop_signal)

    def kill(self) -> None:
        """SIGKILL, for it and all that it started; ends what it left behind if it is dead already."""
        # Once only: later its number may be another's.
        if self._popen is None or self._group_ended:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._group_ended = True

    def stop(self, timeout: float | None = None) -> int | None:
        """Asks, waits, and kills what is left; the return code, or None if it never ran."""
        self.terminate()
        self.wait(self.spec.stop_timeout if timeout is None else timeout)
        self.kill()
        return self.returncode

    def restart(self, timeout: float = 30.0) -> None:
        self.stop()
        self.start()
        self.wait_ready(timeout)

    def output(self) -> str:
        """The end of what it wrote since it was started."""
        return self._read(self._log_start)

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self._read(0).splitlines()[-lines:])

    def _read(self, start: int) -> str:
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as source:
            size = source.seek(0, os.SEEK_END)
            # A log that was cut meanwhile is shorter than where we began.
            start = start if start <= size else 0
            source.seek(max(start, size - TAIL_BYTES))
            return source.read().decode(errors="replace")

    def story(self, what: str) -> str:
        """A sentence for whoever sits at the terminal, with the last lines of the log."""
        tail = self.log_tail()
        where = f"; the last lines of {self.log}:\n{tail}" if tail else ""
        return f"{self.spec.name} {what}{where}"


def how_it_ended(returncode: int | None) -> str:
    if returncode is None:
        return "has not run"
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with code {returncode}"
