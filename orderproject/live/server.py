"""uvicorn, with what long streams and connections from the web process need."""

from __future__ import annotations

import asyncio
import socket
from types import FrameType
from typing import Any

import structlog
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orderproject.live.application import LiveApplication
from orderproject.live.handover import Handover, Inbox

GONE = 30_000
"""Milliseconds after which a peer that acknowledges nothing is given up."""
CLOSE_WITHIN = 1
TICK = 0.5
"""Seconds between two looks at whether to stop. uvicorn looks ten times a second: most of what an idle process does."""

log = structlog.get_logger(__name__)


class Connection(HttpToolsProtocol):
    """Lets the application cut it, and notices a client that has vanished without a word."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "cut": transport.abort}
        peer: socket.socket = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE)


class LiveServer(Server):
    """Ends with code 0 when told, and closes its streams first."""

    def __init__(self, application: LiveApplication, host: str, port: int, inbox: str) -> None:
        super().__init__(
            Config(
                application,
                host=host,
                port=port,
                http=Connection,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=CLOSE_WITHIN,
                backlog=4096,
            )
        )
        self._application = application
        self._inbox = Inbox(inbox, self._adopt) if inbox else None
        self._adopting: set[asyncio.Task[None]] = set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Without raising the signal again in the end, as uvicorn would."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._inbox:
            self._inbox.open(asyncio.get_running_loop())

    async def main_loop(self) -> None:
        """uvicorn's, at our pace: it counts tenths of seconds."""
        while not await self.on_tick(0):
            await asyncio.sleep(TICK)

    async def on_tick(self, counter: int) -> bool:
        return self._application.broken or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._inbox:
            self._inbox.close(asyncio.get_running_loop())
        self._application.hub.stop()
        await super().shutdown(sockets)

    def _adopt(self, handover: Handover) -> None:
        task = asyncio.get_running_loop().create_task(self._serve_connection(handover))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _serve_connection(self, handover: Handover) -> None:
        """As if we had accepted it ourselves, and read what the web process has read of it."""

        def protocol() -> Connection:
            return Connection(self.config, self.server_state, self.lifespan.state)

        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.connect_accepted_socket(protocol, handover.connection)
        except OSError as error:
            log.info("a connection that was handed over is gone", error=str(error))
            return
        connection.data_received(handover.request)
