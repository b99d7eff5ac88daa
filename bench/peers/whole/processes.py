"""Starts worker processes, waits until they report that they are ready, and stops them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

READY = b"worker is ready"


class WorkerFailed(Exception):
    """A worker process ended or did not become ready. The message contains the end of its log."""


class Workers:
    """Python processes with logs in `folder`. They inherit the cores of the caller."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"worker-{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                (sys.executable, *arguments),
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._running.append((process, log))
        return process

    def wait_ready(self, times: int = 1, timeout: float = 60.0) -> None:
        """Waits until each process has printed `READY` this many times."""
        deadline = time.monotonic() + timeout
        for process, log in self._running:
            while log.read_bytes().count(READY) < times:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise WorkerFailed(self._tail(log))
                time.sleep(0.02)

    def check(self) -> None:
        """Raises WorkerFailed if a process has ended."""
        for process, log in self._running:
            if process.poll() is not None:
                raise WorkerFailed(self._tail(log))

    def stop(self) -> None:
        for process, _ in self._running:
            process.terminate()
        for process, _ in self._running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin:
                process.stdin.close()

    def complaints(self) -> list[str]:
        """The error lines in the logs."""
        lines = (line for _, log in self._running for line in log.read_text(errors="replace").splitlines())
        return [line[:200] for line in lines if "ERROR" in line or "CRITICAL" in line or "Traceback" in line]

    @staticmethod
    def _tail(log: Path) -> str:
        return f"a worker failed; the end of {log}:\n{log.read_text(errors='replace')[-3000:]}"
