"""How a view opens a stream: it decides who may, and the process that serves streams does the rest."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import Token

from events.live.frames import CONTENT_TYPE
from events.live.selection import Selection

LARGEST = 2**63 - 1


class EventStream(HttpResponse):
    """Stands for a stream that may be opened, with all that the server of streams has to know of it."""

    def __init__(self, selection: Selection, after: int | None, until: float) -> None:
        # A proxy that collected bytes before it passes them on would hold events back.
        super().__init__(
            content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        )
        self.selection = selection
        self.after = after
        self.until = until


class StreamsAway(APIException):
    """Their process is away, so that the web process got this; or it cannot read the log."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "Live streams are not served at this moment; what happens meanwhile can be had afterwards."
    wait = 2


class NoId(APIException):
    """The client resumes after something that was never sent."""

    status_code = 400
    default_code = "invalid"
    default_detail = "The header Last-Event-ID is no id of ours: begin again without it."


class EventStreamRenderer(BaseRenderer):
    """Only for the negotiation: browsers ask for this type."""

    media_type = CONTENT_TYPE
    format = "sse"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        raise NotImplementedError("a stream has no representation that could be rendered at once")


def opened(request: Request, selection: Selection) -> EventStream:
    """The answer to a caller who may see this. Raises NoId, StreamsAway."""
    after = _last_event_id(request)
    if not isinstance(request._request, ASGIRequest):
        raise StreamsAway
    return EventStream(selection, after, _until(request))


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST):
        raise NoId
    return int(text)


def _until(request: Request) -> float:
    """When rights are looked at again: the end of the token; where a key has none, as late as that of a new token."""
    if isinstance(request.auth, Token):
        return float(request.auth["exp"])
    lifetime: Any = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    return time.time() + float(lifetime.total_seconds())
