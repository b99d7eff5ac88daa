"""Stops a PostgreSQL server that a killed stack left running, and removes its stale lock file."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

# Signals and the seconds to wait after each: fast shutdown, immediate shutdown, kill.
ESCALATION = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def stop_stale_server(cluster: Path) -> None:
    """Stops a server that still runs on `cluster`, and removes a lock file whose process id another program reuses.

    The caller must make sure that no other stack uses this cluster. The lock file of a dead server is kept, because
    PostgreSQL uses it to check whether backends of that server still write, and does not start until they have ended.
    """
    lock = cluster / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return
    except ValueError:  # the server crashed while it wrote the file
        lock.unlink()
        return
    if _is_server_of(pid, cluster):
        _end(pid, cluster)
    elif _exists(pid):
        lock.unlink()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end(pid: int, cluster: Path) -> None:
    for number, patience in ESCALATION:
        deadline = time.monotonic() + patience
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        while _is_server_of(pid, cluster):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return


def _is_server_of(pid: int, cluster: Path) -> bool:
    return str(cluster) in _command_line(pid)


def _command_line(pid: int) -> str:
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        return ""
    command = ("/bin/ps", "-ww", "-o", "command=", "-p", str(pid))
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
