"""A uvicorn server whose application can abort connections, and which ends its streams when it stops."""

from __future__ import annotations

import asyncio
import socket
from types import FrameType
from typing import Any

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orderproject.live.application import LiveApplication

CLOSE_TIMEOUT = 1
TICK = 0.5
"""Seconds between checks whether to stop. uvicorn checks ten times a second, most of an idle process's CPU time."""


class Connection(HttpToolsProtocol):
    """A connection that the application can abort."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "cut": transport.abort}


class LiveServer(Server):
    """On SIGTERM and SIGINT it closes its streams and exits with code 0."""

    def __init__(self, application: LiveApplication, host: str, port: int) -> None:
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
                timeout_graceful_shutdown=CLOSE_TIMEOUT,
                backlog=4096,
            )
        )
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops without raising the signal again at the end, as uvicorn would."""
        self.should_exit = True

    async def main_loop(self) -> None:
        """uvicorn's loop with a longer tick."""
        while not await self.on_tick(0):
            await asyncio.sleep(TICK)

    async def on_tick(self, counter: int) -> bool:
        return self._application.broken or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.stop()
        await super().shutdown(sockets)
