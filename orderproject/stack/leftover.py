"""A PostgreSQL that a killed stack left behind, and the lock file that says so."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

# Fast, then immediate, each with its patience in seconds; at last without asking.
ESCALATION = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def stop_leftover(cluster: Path) -> None:
    """Ends a server that still runs on `cluster`, and removes a lock file whose process is another by now.

    The caller must be sure that no stack of its own serves these data. A lock file of a dead process stays: with it
    PostgreSQL finds out whether backends of the dead server still write, and refuses to start until they are gone.
    """
    lock = cluster / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return
    except ValueError:  # the crash came while it was written
        lock.unlink()
        return
    if _is_server_of(pid, cluster):
        _end(pid, cluster)
    elif _lives(pid):
        lock.unlink()


def _lives(pid: int) -> bool:
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
