"""As whom a server runs: PostgreSQL refuses root, and nothing that listens should be root."""

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
    """`capability` is kept where the user could not otherwise reach the server's files."""

    uid: int
    gid: int
    capability: int | None = None

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}:{-1 if self.capability is None else self.capability}"


def server_identity(program: Path, data: Path) -> Identity | None:
    """None for an ordinary user, who runs its servers as itself; for root, whoever owns `data`, or nobody."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody")
    uid, gid = user.pw_uid, user.pw_gid
    if data.exists() and data.stat().st_uid != 0:
        uid, gid = data.stat().st_uid, data.stat().st_gid
    return Identity(uid, gid, capability_to_reach(program, data))


def capability_to_reach(program: Path, data: Path) -> int | None:
    """The least capability with which a clone that only root may enter, as one below /root, still serves."""
    executable = bool(program.stat().st_mode & stat.S_IXOTH)
    if executable and open_to_all(program) and open_to_all(data):
        return None
    held = held_capabilities()
    enough = (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if executable else (CAP_DAC_OVERRIDE,)
    for capability in enough:
        if held & (1 << capability):
            return capability
    raise UnreachableFiles(
        f"{program} or {data} lies in a folder that only root may enter; open the folders above (chmod o+x), "
        "move the project, or run it as an ordinary user."
    )


def open_to_all(path: Path) -> bool:
    """Whether any user may walk down to `path`, by name and by what symbolic links resolve to."""
    folders = {*path.absolute().parents, *path.resolve().parents}
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders if folder.exists())


def held_capabilities() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    for line in status.read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0
