"""A connection goes from one process to another: its descriptor and what was read of it, in one message.

Through a Unix socket of datagrams, so that nothing has to be accepted, and a message comes whole or not at all.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LARGEST = 256 * 1024
"""Bytes of a request without its body; gunicorn takes less."""
WITHIN = 1.0
"""Seconds that may pass until there is room in the inbox."""
LONGEST_ADDRESS = 100
"""Bytes; the kernels' limits are 104 and 108."""


@dataclass(frozen=True)
class Handover:
    connection: socket.socket
    request: bytes


def hand_over(inbox: str, connection: socket.socket, request: bytes) -> bool:
    """Whether it was taken; then it is the other's, and ours is to be closed without a shutdown."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
            sender.settimeout(WITHIN)
            sender.connect(_address(inbox))
            socket.send_fds(sender, [request], [connection.fileno()])
    except OSError:  # nobody is there, or it does not keep up
        return False
    return True


class Inbox:
    """Where connections arrive; it belongs to its owner alone."""

    def __init__(self, path: str, arrived: Callable[[Handover], None]) -> None:
        self._path = Path(path)
        self._arrived = arrived
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the place of one that a killed process left."""
        self._path.unlink(missing_ok=True)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LARGEST)
        address = _address(str(self._path))  # before the mask, under which nobody could enter a folder that it makes
        before = os.umask(0o177)
        try:
            self._socket.bind(address)
        finally:
            os.umask(before)
        loop.add_reader(self._socket, self._receive)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._socket)
        self._path.unlink(missing_ok=True)
        self._receive()  # what came before
        self._socket.close()

    def _receive(self) -> None:
        with suppress(BlockingIOError):
            while True:
                request, descriptors, _, _ = socket.recv_fds(self._socket, LARGEST, 1)
                for descriptor in descriptors:
                    self._arrived(Handover(_adopted(descriptor), request))


def _adopted(descriptor: int) -> socket.socket:
    connection = socket.socket(fileno=descriptor)
    connection.setblocking(False)
    return connection


def _address(path: str) -> str:
    """A name that is short enough for the kernel: a deep folder gets a link from the folder of temporary files."""
    return path if len(os.fsencode(path)) <= LONGEST_ADDRESS else str(_link(Path(path).parent) / Path(path).name)


@cache
def _link(folder: Path) -> Path:
    """For as long as this process lives."""
    made = tempfile.TemporaryDirectory(prefix="live-")
    _links.append(made)
    link = Path(made.name) / "at"
    link.symlink_to(folder, target_is_directory=True)
    return link


_links: list[tempfile.TemporaryDirectory[str]] = []
"""Removed with the interpreter."""
