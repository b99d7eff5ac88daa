"""A stack in a process of its own, and what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from orderproject.stack.ports import free_port
from orderproject.stack.processes import PROJECT


class StackRun:
    """`command` is what stands after `python`. Use as a context manager: nothing is left running."""

    def __init__(self, data: Path, *command: str, **variables: str) -> None:
        self.data = data
        self.variables = {
            "STACK_DATA_DIR": str(data),
            "PORT": str(free_port()),
            "SANDBOX_PORT": str(free_port()),
            "FLOWER_PORT": str(free_port()),
            **variables,
        }
        self.lines: list[str] = []
        self._popen = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env=outside_of_tests() | self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "StackRun":
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self._popen.wait(20)
            except subprocess.TimeoutExpired:
                self._popen.kill()

    def _read(self) -> None:
        for line in self._popen.stdout or ():
            self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def ends(self, within: float = 20.0) -> int:
        code = self._popen.wait(within)
        self._reader.join(5)
        return code

    def says(self, pattern: str, within: float = 30.0) -> None:
        until(lambda: re.search(pattern, self.output) is not None, within, lambda: self.output)

    def descendants(self) -> set[int]:
        """All processes that it started, and theirs."""
        found, parents = {self.pid}, parents_of_all()
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.pid}

    def child(self, text: str) -> int:
        """The process right below whose command line contains `text`."""
        parents = parents_of_all()
        return next(pid for pid, parent in parents.items() if parent == self.pid and text in command_line(pid))

    def variable(self, name: str) -> str:
        """As its processes see it."""
        found = re.search(rf"^export {name}='?([^'\n]*)", (self.data / "environment").read_text(), re.MULTILINE)
        assert found, name
        return found[1]


def until(condition: Callable[[], bool], within: float, story: Callable[[], object] = str) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {story()}"
        time.sleep(0.05)


def outside_of_tests() -> dict[str, str]:
    """The environment without what the test run put there for itself."""
    ours = {"DATABASE_URL", "BROKER_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT", "DJANGO_SETTINGS_MODULE"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def parents_of_all() -> dict[int, int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(folder.name)] = int(parent)
    return parents


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
