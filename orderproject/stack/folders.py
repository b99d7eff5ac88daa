"""The folder of one server: closed to everyone but the user that the server runs as."""

import os
from pathlib import Path

from orderproject.stack.errors import ForeignData
from orderproject.stack.identity import Identity


def own_folder(folder: Path, identity: Identity | None) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if identity:
        os.chown(folder, identity.uid, identity.gid)
    elif folder.stat().st_uid != os.geteuid():
        raise ForeignData(
            f"{folder} belongs to another user; run as that user, or set STACK_DATA_DIR to another folder."
        )
    return folder
