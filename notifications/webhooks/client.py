"""The HTTP client for webhooks: one POST request without redirects, with a total timeout of ten seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from notifications.webhooks.addresses import AddressRefused, BadURL, open_socket, parse

TIMEOUT = 10.0
"""Seconds for resolving, connecting, sending and reading the response together."""
MAX_BYTES_READ = 16 * 1024
"""How much of a response body is read, so that the connection can be reused. The body is discarded."""
CONNECTIONS = 500
KEPT_FOR = 1.0
"""Seconds that an idle connection is kept: less than the limit of common servers, which would close it first."""
GONE = 410


@dataclass(frozen=True)
class Answer:
    """A response. `status` is None if there was none; `error` describes the problem for the webhook's owner."""

    status: int | None
    error: str
    milliseconds: int

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == GONE


class Client:
    """A client that belongs to the event loop of its first call. It can be created outside a loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Posts and returns the answer. Never raises, whatever the receiver, its name or the network does."""
        began = time.monotonic()
        status: int | None = None
        try:
            target = parse(url)  # the settings can have changed since the webhook was created
            async with self._open_session().post(target, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                if await response.content.read(MAX_BYTES_READ) and not response.content.at_eof():
                    response.close()
            error = _complaint(status)
        except Exception as failure:  # noqa: BLE001  one that is raised would take the results of other calls with it
            # With a status, only the rest of the body could not be read.
            error = _complaint(status) if status else _explained(failure)
        return Answer(status, error, int((time.monotonic() - began) * 1000))

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        # Opened on first use, because a session belongs to the running loop and must not cross a fork.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS, keepalive_timeout=KEPT_FOR, socket_factory=open_socket
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT, ceil_threshold=float("inf")),
                auto_decompress=False,
                headers={"Content-Type": "application/json", "User-Agent": "orderproject-webhooks/1"},
            )
        return self._session


def _complaint(status: int) -> str:
    if 300 <= status < 400:
        return f"The receiver answered {status}. Redirects are not followed: set the final URL."
    return "" if 200 <= status < 300 else f"The receiver answered {status}."


def _explained(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return f"The receiver did not answer within {TIMEOUT:g} s."
    cause = failure.os_error if isinstance(failure, aiohttp.ClientConnectorError) else failure
    if isinstance(cause, AddressRefused | BadURL):
        return str(cause)
    return f"Connection failed: {cause or type(failure).__name__}"
