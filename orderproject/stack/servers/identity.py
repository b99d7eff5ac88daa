"""Chooses the user that a server runs as. PostgreSQL refuses root, and no network server should run as root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from orderproject.stack.errors import UnreachableFiles

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


@dataclass(frozen=True)
class Identity:
    """A user to run as. `capability` is kept if the user could not access the server's files without it."""

    uid: int
    gid: int
    capability: int | None = None

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}:{-1 if self.capability is None else self.capability}"


def server_identity(program: Path, data: Path) -> Identity | None:
    """None for an ordinary user, whose servers run as itself. For root: the owner of `data`, or the user `nobody`."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody")
    uid, gid = user.pw_uid, user.pw_gid
    if data.exists() and data.stat().st_uid != 0:
        uid, gid = data.stat().st_uid, data.stat().st_gid
    return Identity(uid, gid, capability_to_reach(program, data))


def capability_to_reach(program: Path, data: Path) -> int | None:
    """The smallest capability that gives access to files in a folder that only root can enter, such as /root."""
    executable = bool(program.stat().st_mode & stat.S_IXOTH)
    if executable and open_to_all(program) and open_to_all(data):
        return None
    permitted = permitted_capabilities()
    enough = (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if executable else (CAP_DAC_OVERRIDE,)
    for capability in enough:
        if permitted & (1 << capability):
            return capability
    raise UnreachableFiles(
        f"{program} or {data} is in a folder that only root can enter. Allow access to the parent folders (chmod o+x), "
        "move the project, or run it as an ordinary user."
    )


def open_to_all(path: Path) -> bool:
    """Whether every user can reach `path`, both by its name and by the target of its symbolic links."""
    folders = {*path.absolute().parents, *path.resolve().parents}
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders if folder.exists())


def permitted_capabilities() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    for line in status.read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0
