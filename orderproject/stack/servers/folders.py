"""The folders of the stack and its servers, which only their owners can read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderproject.stack.errors import ForeignData
from orderproject.stack.servers.identity import Identity


def own_folder(folder: Path, identity: Identity | None) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if identity:
        os.chown(folder, identity.uid, identity.gid)
    elif folder.stat().st_uid != os.geteuid():
        raise ForeignData(
            f"{folder} belongs to another user. Run as that user, or set STACK_DATA_DIR to another folder."
        )
    return folder


@contextmanager
def private(folder: Path) -> Iterator[None]:
    """Only the owner can read the folder and what is in it, also what the processes write that are started within.

    Root's servers run as another user, who must pass through the folder: others may, but cannot list it.
    """
    before = os.umask(0o077)
    try:
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for inside in folder.iterdir():  # an earlier version left files that others can read
            status = inside.lstat()
            if status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode):
                inside.chmod(stat.S_IMODE(status.st_mode) & 0o700)
        yield
    finally:
        os.umask(before)
