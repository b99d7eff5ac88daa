"""ASGI: live streams and the health checks. Everything else is the web process's."""

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
from events.live.hub import Hub
from events.live.response import EventStream, StreamsAway
from events.live.threads import Threads
from orderproject.health import livez
from orderproject.paths import PROBES, is_live
from orderproject.problems import problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DECIDING = 4
"""Requests that are decided at the same time, each in a thread."""
OPENS_WITHIN = 3.0
"""Seconds in which the hub must have taken a stream in."""
LIVEZ = "/livez"

log = structlog.get_logger(__name__)


class LiveApplication:
    """Whether a stream may be opened, Django decides, by the same views and middleware as in the web process."""

    def __init__(self) -> None:
        self.hub = Hub()
        self._django = BaseHandler()
        self._django.load_middleware()
        self._threads = Threads(DECIDING)
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._running = asyncio.create_task(self.hub.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.hub.stop()
        await asyncio.wait([self._running], timeout=1)
        await send({"type": "lifespan.shutdown.complete"})

    @property
    def broken(self) -> bool:
        """The hub has met what nobody foresaw; its error goes to whoever asks."""
        return self._running is not None and self._running.done() and self._running.exception() is not None

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        request, response = await self._decided(scope)
        if not isinstance(response, EventStream):
            await _send_head(send, response)
            await send({"type": "http.response.body", "body": response.content})
            return
        follower = Follower(self.hub, response.selection, response.after, response.until, _cut(scope))
        watching = asyncio.create_task(_await_disconnect(receive, follower))
        try:
            if not await follower.opens(OPENS_WITHIN):
                response = _unavailable(request, response)
            await _send_head(send, response)
            if isinstance(response, EventStream) and scope["method"] == "GET":
                await _send_stream(send, follower)
            await send({"type": "http.response.body", "body": response.content})
        finally:
            follower.end()
            watching.cancel()

    async def _decided(self, scope: Any) -> tuple[ASGIRequest, HttpResponse]:
        request = ASGIRequest(scope, BytesIO())
        if request.path == LIVEZ:  # also while every thread waits for a database that does not answer
            return request, livez(request)
        if not (is_live(request.path) or request.path in PROBES):
            return request, problem(request, 404, "not-found", "Only live streams are served here.")
        return request, await self._threads.run(self._decide, request)

    def _decide(self, request: ASGIRequest) -> HttpResponse:
        set_script_prefix("")
        signals.request_started.send(sender=type(self), scope=request.scope)
        response = self._django.get_response(request)
        response.close()  # sends request_finished
        return response  # type: ignore[return-value]


async def _send_head(send: Send, response: HttpResponse) -> None:
    if isinstance(response, EventStream):
        del response["Content-Length"]
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})


async def _send_stream(send: Send, follower: Follower) -> None:
    try:
        async for chunk in follower.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Error as error:
        log.warning("a live stream ends without the database", error=str(error))


def _unavailable(request: ASGIRequest, response: HttpResponse) -> HttpResponse:
    headers = {"Retry-After": str(StreamsAway.wait), "X-Request-ID": response["X-Request-ID"]}
    return problem(request, 503, StreamsAway.default_code, StreamsAway.default_detail, headers=headers)


async def _await_disconnect(receive: Receive, follower: Follower) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    follower.end()


def _cut(scope: Any) -> Callable[[], None]:
    """A server that does not let us cut a connection ends it when it can."""
    cut: Callable[[], None] = scope.get("state", {}).get("cut", lambda: None)
    return cut
