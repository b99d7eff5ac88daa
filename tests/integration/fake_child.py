"""A stand-in for a process of the stack: says that it runs, and notes when it is asked to stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

NAME, BEHAVIOUR, NOTES = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if BEHAVIOUR == "stubborn" else on_stop)
    if BEHAVIOUR == "broken":
        sys.exit("nothing works without the flux capacitor")
    if BEHAVIOUR == "parent":
        subprocess.Popen([sys.executable, __file__, f"{NAME}-child", "steady", str(NOTES)])
    sys.stdout.write("ready.\n")
    sys.stdout.flush()
    parent = os.getppid()
    # As gunicorn's workers do: they leave when their parent is gone.
    while not NAME.endswith("-child") or os.getppid() == parent:
        time.sleep(0.1)


def on_stop(_number: int, _frame: FrameType | None) -> None:
    with NOTES.open("a") as notes:
        notes.write(f"{NAME} {'served' if servers_answer() else 'alone'}\n")
    sys.exit(0)


def servers_answer() -> bool:
    for name in ("DATABASE_URL", "REDIS_URL"):
        address = urlsplit(os.environ[name])
        try:
            socket.create_connection((address.hostname, address.port), timeout=1).close()
        except OSError:
            return False
    return True


main()
