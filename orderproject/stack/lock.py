"""A lock that allows one stack per data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderproject.stack.errors import FolderInUse, ForeignData

EXAMPLE = "STACK_DATA_DIR=var/other PORT=8001 SANDBOX_PORT=8091 FLOWER_PORT=5556"


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Holds the lock; the system releases it when the process ends. Raises FolderInUse and ForeignData."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "lock").open("a+")
    except OSError as error:
        raise ForeignData(
            f"{data} cannot be written ({error.strerror}). "
            "Set STACK_DATA_DIR to a folder of your own, or run as its owner."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise FolderInUse(
                f"Another stack (process {file.read().strip()}) already uses {data}. Stop it, or use another folder "
                f"and other ports: {EXAMPLE} make run"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
