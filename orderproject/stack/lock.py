"""One stack per data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderproject.stack.errors import FolderInUse, ForeignData

EXAMPLE = "STACK_DATA_DIR=var/other PORT=8001 SANDBOX_PORT=8091 FLOWER_PORT=5556"


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Held until the process ends, however it ends. Raises FolderInUse, ForeignData."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "lock").open("a+")
    except OSError as error:
        raise ForeignData(
            f"{data} cannot be written ({error.strerror}); "
            "set STACK_DATA_DIR to a folder of your own, or run as the user that it belongs to."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise FolderInUse(
                f"A stack (process {file.read().strip()}) runs on {data} already. Stop it, or give this one "
                f"a folder and ports of its own: {EXAMPLE} make run"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
