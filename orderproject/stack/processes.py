"""Child processes, each in its own session, that never outlive this process. The stack and tests use them.

Start them from the main thread, because on Linux a child dies with the *thread* that started it.
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
from orderproject.stack.probes import Probe, runs_for
from orderproject.stack.servers.identity import Identity

PROJECT = Path(__file__).resolve().parents[2]
EXEC_WRAPPER = Path(__file__).with_name("exec_wrapper.py")
POLL = 0.02
TAIL_BYTES = 64_000
SURVIVES = runs_for(0.5)


@dataclass(frozen=True)
class ProcessSpec:
    """A program to run. `env` is its complete environment, or None for a copy of ours. Times are in seconds."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    ready: Probe = SURVIVES
    stop_signal: int = signal.SIGTERM
    stop_timeout: float = 5.0
    # The signal that the kernel sends if this process dies without stopping it (Linux).
    death_signal: int = signal.SIGKILL
    identity: Identity | None = None
    # The stack starts processes without this need while the schema is being created.
    needs_schema: bool = True
    # The file that the process touches while it makes progress.
    heartbeat: Path | None = None
    # For processes without a heartbeat file: a probe of whether it still serves.
    alive: Probe | None = None
    # Seconds without a sign of life after which the process counts as stalled.
    silence: float = 30.0


class Process:
    """Runs a spec, and can run it again. Output is appended to `log`, or goes to our terminal if that is None."""

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
        """None while it runs and before the first start; negative if a signal ended it."""
        return self._popen.poll() if self._popen else None

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        if self.running:
            raise RuntimeError(f"{self.spec.name} is already running")
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
        launch = (sys.executable, "-I", "-S", str(EXEC_WRAPPER))
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
        """Waits until the process is ready. Raises ProcessFailed if it ends or is not ready after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.ready():
            if not self.running:
                raise ProcessFailed(self.failure_message(f"{how_it_ended(self.returncode)} before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessFailed(self.failure_message(f"was not ready after {timeout:g} s"))
            time.sleep(POLL)

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds; returns whether the process has ended."""
        if self._popen:
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        return not self.running

    def signal(self, number: int) -> None:
        if self._popen:
            self._popen.send_signal(number)

    def terminate(self) -> None:
        """Sends the stop signal and does not wait."""
        self.signal(self.spec.stop_signal)

    def kill(self) -> None:
        """Kills the process and all processes that it started, also if it has already ended."""
        # Only once, because the system can reuse the process group id.
        if self._popen is None or self._group_ended:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._group_ended = True

    def stop(self, timeout: float | None = None) -> int | None:
        """Sends the stop signal, waits, then kills what is left. Returns the return code, or None if it never ran."""
        self.terminate()
        self.wait(self.spec.stop_timeout if timeout is None else timeout)
        self.kill()
        return self.returncode

    def restart(self, timeout: float = 30.0) -> None:
        self.stop()
        self.start()
        self.wait_ready(timeout)

    def output(self) -> str:
        """The end of the output since the last start."""
        return self._read(self._log_start)

    def log_tail(self) -> str:
        return "\n".join(self._read(0).splitlines()[-15:])

    def _read(self, start: int) -> str:
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as source:
            size = source.seek(0, os.SEEK_END)
            # A log that was truncated meanwhile is shorter than the start position.
            start = start if start <= size else 0
            source.seek(max(start, size - TAIL_BYTES))
            return source.read().decode(errors="replace")

    def failure_message(self, what: str) -> str:
        """A sentence for the user, with the last lines of the log."""
        tail = self.log_tail()
        where = f" The last lines of {self.log}:\n{tail}" if tail else ""
        return f"{self.spec.name} {what}.{where}"


def how_it_ended(returncode: int | None) -> str:
    if returncode is None:
        return "has not run"
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with code {returncode}"
