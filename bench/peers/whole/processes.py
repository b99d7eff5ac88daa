"""Start worker processes, wait until they say that they are ready, and stop them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

READY = b"worker is ready"


class WorkerFailed(Exception):
    """A worker process ended or did not become ready; the message shows the end of its log."""


class Workers:
    """Processes of this Python, each with a log in `folder`; pinned to the cores that the caller has."""

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
        """Until each has said `READY` so many times."""
        deadline = time.monotonic() + timeout
        for process, log in self._running:
            while log.read_bytes().count(READY) < times:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise WorkerFailed(self._tail(log))
                time.sleep(0.02)

    def check(self) -> None:
        """Raises if one has ended."""
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
        """Lines in the logs that tell of an error."""
        lines = (line for _, log in self._running for line in log.read_text(errors="replace").splitlines())
        return [line[:200] for line in lines if "ERROR" in line or "CRITICAL" in line or "Traceback" in line]

    @staticmethod
    def _tail(log: Path) -> str:
        return f"a worker failed; the end of {log}:\n{log.read_text(errors='replace')[-3000:]}"
