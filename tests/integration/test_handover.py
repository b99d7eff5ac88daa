"""A connection goes from the web process to that of live streams."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderproject.live.handover import LONGEST_ADDRESS, Handover, Inbox, hand_over
from orderproject.stack.ports import HOST

REQUEST = b"GET /api/v1/stream/ HTTP/1.1\r\nAuthorization: Bearer " + b"x" * 60_000 + b"\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection as a server has accepted it, and its client's end."""
    with socket.create_server((HOST, 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            yield accepted, client


@pytest.fixture
def connection(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    return ends[0]


def arrived_at(inbox: Path, connection: socket.socket) -> Handover:
    async def run() -> Handover:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[Handover] = loop.create_future()
        box = Inbox(str(inbox), arrived.set_result)
        box.open(loop)
        try:
            assert await asyncio.to_thread(hand_over, str(inbox), connection, REQUEST)
            return await asyncio.wait_for(arrived, 5)
        finally:
            box.close(loop)

    return asyncio.run(run())


@pytest.mark.parametrize("depth", [0, LONGEST_ADDRESS])
def test_it_arrives_with_what_was_read_of_it(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket], depth: int
) -> None:
    connection, client = ends
    folder = tmp_path / ("d" * depth)
    folder.mkdir(exist_ok=True)
    handover = arrived_at(folder / "live.sock", connection)
    connection.close()
    assert handover.request == REQUEST
    with handover.connection:
        handover.connection.setblocking(True)
        handover.connection.sendall(b"answered by another")
    assert client.recv(100) == b"answered by another"


def test_the_way_to_a_deep_folder_is_open_to_its_owner_alone_and_stays(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(links))
    for name in ("d", "e"):
        folder = tmp_path / (name * LONGEST_ADDRESS)
        folder.mkdir()
        arrived_at(folder / "live.sock", ends[0]).connection.close()
    ways = list(links.iterdir())
    assert {oct(way.stat().st_mode & 0o777) for way in ways} == {"0o700"}
    assert {(way / "at").resolve().name[0] for way in ways} == {"d", "e"}


def test_a_name_that_a_killed_process_left_is_taken_over_and_belongs_to_the_owner(
    tmp_path: Path, connection: socket.socket
) -> None:
    inbox = tmp_path / "live.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(inbox))
    assert not hand_over(str(inbox), connection, REQUEST), "nobody is there"
    with (handover := arrived_at(inbox, connection)).connection:
        assert handover.request == REQUEST
    assert not inbox.exists()


def test_where_nobody_ever_was_nothing_is_taken(tmp_path: Path, connection: socket.socket) -> None:
    assert not hand_over(str(tmp_path / "live.sock"), connection, REQUEST)


def test_nobody_else_may_hand_over(tmp_path: Path) -> None:
    async def run() -> int:
        box = Inbox(str(tmp_path / "live.sock"), lambda _: None)
        box.open(asyncio.get_running_loop())
        mode = (tmp_path / "live.sock").stat().st_mode & 0o777
        box.close(asyncio.get_running_loop())
        return mode

    assert asyncio.run(run()) == 0o600
