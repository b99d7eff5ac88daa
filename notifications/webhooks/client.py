"""Posting to a webhook: one request, no redirect, ten seconds for all of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from notifications.webhooks.addresses import AddressRefused, BadURL, open_socket, parse

TIMEOUT = 10.0
"""Seconds for resolving, connecting, sending and the head of the answer together."""
MOST_READ = 16 * 1024
"""Bytes of an answer's body that are read, so that the connection can be used again; what they say is not kept."""
CONNECTIONS = 500
KEPT_FOR = 1.0
"""Seconds for which a connection waits for its next use: less than any server's own, which would close it under us."""
GONE = 410


@dataclass(frozen=True)
class Answer:
    """`status` is None where there was none; `error` says what went wrong, for the webhook's owner."""

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
    """Belongs to the event loop of its first call; it may be made anywhere."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Never raises for what the receiver, its name or its network do."""
        began = time.monotonic()
        status: int | None = None
        try:
            target = parse(url)  # the settings may have changed since it was made
            async with self._open_session().post(target, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                if await response.content.read(MOST_READ) and not response.content.at_eof():
                    response.close()
            error = _complaint(status)
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            # With a status it is only the rest of the body that failed to come.
            error = _complaint(status) if status else _explained(failure)
        return Answer(status, error, int((time.monotonic() - began) * 1000))

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        # Opened on first use: a session belongs to the running loop and must not cross a fork.
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
        return f"It answered {status}: redirects are not followed, give the address itself."
    return "" if 200 <= status < 300 else f"It answered {status}."


def _explained(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return f"There was no answer within {TIMEOUT:g} s."
    cause = failure.os_error if isinstance(failure, aiohttp.ClientConnectorError) else failure
    if isinstance(cause, AddressRefused | BadURL):
        return str(cause)
    return f"No connection: {cause or type(failure).__name__}"
