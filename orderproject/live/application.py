"""The ASGI application for live streams and health checks. The web process serves everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any

import structlog
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.db import Error
from django.http import HttpResponse
from django.urls import set_script_prefix

from events.live.follow import Follower
from events.live.hub import OPEN, Hub
from events.live.response import EventStream, StreamsAway
from events.live.threads import Threads
from events.metrics import process
from orderproject.api.paths import PROBES, is_live
from orderproject.api.problems import problem
from orderproject.live.board import Board
from orderproject.observability.health import livez
from orderproject.operations.page import Followed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DECISION_THREADS = 4
"""The number of threads in which Django authorizes requests concurrently."""
SLOW_CLIENT = 30.0
"""Seconds after which a client that does not read what was sent is cut off."""
OPEN_TIMEOUT = 3.0
"""Seconds that a request waits until the hub accepts its stream."""
LIVEZ = "/livez"

log = structlog.get_logger(__name__)


class LiveApplication:
    """Serves streams. Django authorizes each with the same views and middleware as in the web process."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.board = Board()
        self._django = BaseHandler()
        self._django.load_middleware()
        self._threads = Threads(DECISION_THREADS)
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._running = asyncio.create_task(self.hub.run())
        process.start(
            "live",
            lambda: {(OPEN.name, ()): len(self.hub) + len(self.board)},
            doing=lambda: f"{len(self.hub)} streams of events, {len(self.board)} operations pages",
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.stop()
        await asyncio.wait([self._running], timeout=1)
        await send({"type": "lifespan.shutdown.complete"})

    def stop(self) -> None:
        """Ends every stream."""
        self.hub.stop()
        self.board.stop()

    @property
    def broken(self) -> bool:
        """Whether the hub ended with an unexpected error."""
        return self._running is not None and self._running.done() and self._running.exception() is not None

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        request, response = await self._get_response(scope)
        if isinstance(response, Followed):
            await self._send_board(scope, response, receive, send)
            return
        if not isinstance(response, EventStream):
            await _send_head(send, response)
            await send({"type": "http.response.body", "body": response.content})
            return
        follower = Follower(self.hub, response.selection, response.after, response.until, _cut(scope))
        watching = asyncio.create_task(_await_disconnect(receive, follower.end))
        try:
            if not await follower.opens(OPEN_TIMEOUT):
                response = _unavailable(request, response)
            await _send_head(send, response)
            if isinstance(response, EventStream) and scope["method"] == "GET":
                await _send_stream(send, follower)
            await send({"type": "http.response.body", "body": response.content})
        finally:
            follower.end()
            watching.cancel()

    async def _send_board(self, scope: Any, response: Followed, receive: Receive, send: Send) -> None:
        """Keeps an operations page up to date. A client that does not read is cut off."""
        ended = asyncio.Event()
        watching = asyncio.create_task(_await_disconnect(receive, ended.set))
        chunks = self.board.chunks(response.range, response.until, ended)
        try:
            await _send_head(send, response)
            if scope["method"] == "GET":
                async for chunk in chunks:
                    async with asyncio.timeout(SLOW_CLIENT):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            _cut(scope)()
        finally:
            await chunks.aclose()
            watching.cancel()

    async def _get_response(self, scope: Any) -> tuple[ASGIRequest, HttpResponse]:
        request = ASGIRequest(scope, BytesIO())
        if request.path == LIVEZ:  # answers even while every thread waits for the database
            return request, livez(request)
        if not (is_live(request.path) or request.path in PROBES):
            return request, problem(request, 404, "not-found", "This process serves live streams only.")
        return request, await self._threads.run(self._decide, request)

    def _decide(self, request: ASGIRequest) -> HttpResponse:
        set_script_prefix("")
        signals.request_started.send(sender=type(self), scope=request.scope)
        response = self._django.get_response(request)
        response.close()  # sends request_finished
        return response  # type: ignore[return-value]


async def _send_head(send: Send, response: HttpResponse) -> None:
    if isinstance(response, EventStream | Followed):
        del response["Content-Length"]
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})


async def _send_stream(send: Send, follower: Follower) -> None:
    try:
        async for chunk in follower.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Error as error:
        log.warning(
            "live stream closed because the database is unavailable; the client can reconnect", error=str(error)
        )


def _unavailable(request: ASGIRequest, response: HttpResponse) -> HttpResponse:
    headers = {"Retry-After": str(StreamsAway.wait), "X-Request-ID": response["X-Request-ID"]}
    return problem(request, 503, StreamsAway.default_code, StreamsAway.default_detail, headers=headers)


async def _await_disconnect(receive: Receive, end: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    end()


def _cut(scope: Any) -> Callable[[], None]:
    """The function that aborts the connection, if the server provides one."""
    cut: Callable[[], None] = scope.get("state", {}).get("cut", lambda: None)
    return cut
