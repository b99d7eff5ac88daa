"""How a view opens a stream: the view authorizes the client, and the process for live streams serves it."""

from __future__ import annotations

import time
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import Token

from events.conf import event_settings
from events.live.frames import CONTENT_TYPE
from events.live.selection import Selection

MAX_ID = 2**63 - 1


class EventStream(HttpResponse):
    """The response that authorizes a stream and carries the parameters for the process that serves it."""

    def __init__(self, selection: Selection, after: int | None, until: float) -> None:
        # Turns off buffering in proxies, which would delay events.
        super().__init__(
            content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        )
        self.selection = selection
        self.after = after
        self.until = until


class StreamsAway(APIException):
    """The process for live streams is down, so the web process got the request; or it cannot read the log."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "Live streams are unavailable. Reconnect later with Last-Event-ID to get the events you missed."
    wait = 2


class NoId(APIException):
    """The client's Last-Event-ID is not an id that a stream sends."""

    status_code = 400
    default_code = "invalid"
    default_detail = "The header Last-Event-ID is not an id of this stream: connect again without it."


class EventStreamRenderer(BaseRenderer):
    """Only for content negotiation, because browsers request this type."""

    media_type = CONTENT_TYPE
    format = "sse"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        raise NotImplementedError("a stream cannot be rendered as one response: return an EventStream")


def opened(request: Request, selection: Selection) -> EventStream:
    """The response that opens a stream; the caller must have authorized the client. Raises NoId, StreamsAway."""
    after = _last_event_id(request)
    if not isinstance(request._request, ASGIRequest):
        raise StreamsAway
    return EventStream(selection, after, _until(request))


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= MAX_ID):
        raise NoId
    return int(text)


def _until(request: Request) -> float:
    """When the stream ends, so that permissions are checked again: when the token expires; for an API key, after the
    lifetime of a new token.
    """
    if isinstance(request.auth, Token):
        return float(request.auth["exp"])
    return time.time() + event_settings.LIVE_LIFETIME
