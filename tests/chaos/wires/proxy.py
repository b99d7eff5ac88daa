"""A network of our own between a publisher and its broker: it can stand still, swallow answers, be slow, and break."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from orderproject.stack.ports import HOST, free_port

CHUNK = 65_536
LOOK_EVERY = 0.01


class Proxy:
    """Use as a context manager. Connections to `port` are passed on to `target`, which may be set later."""

    def __init__(self) -> None:
        self.port = free_port()
        self.target = 0
        self._delay = 0.0
        self._still = self._deaf = self._broken = False
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10), "the proxy did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing passes; what was sent meanwhile arrives afterwards, late."""
        self._still = True
        try:
            yield
        finally:
            self._still = False

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """What is sent arrives, and no answer comes back; then the connections break."""
        self._deaf = True
        try:
            yield
        finally:
            self.reset()
            self._deaf = False

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Connections are reset, and so is each new one."""
        self._broken = True
        self.reset()
        try:
            yield
        finally:
            self._broken = False

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Each piece takes so long in each direction."""
        self._delay = seconds
        try:
            yield
        finally:
            self._delay = 0.0

    def reset(self) -> None:
        async def all_of_them() -> None:
            for writer in list(self._open):
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(all_of_them(), self._loop).result(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._connected, HOST, self.port))
        self._ready.set()
        self._loop.run_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._broken:
                raise ConnectionResetError
            there, away = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, away}
        self._open |= ends
        forth = asyncio.ensure_future(self._pass_on(reader, away, answers=False))
        back = asyncio.ensure_future(self._pass_on(there, writer, answers=True))
        await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
        for one in (forth, back):
            one.cancel()
        for end in ends:
            end.transport.abort()
        self._open -= ends

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                while self._still:
                    await asyncio.sleep(LOOK_EVERY)
                if answers and self._deaf:
                    continue
                writer.write(data)
                await writer.drain()
