"""What every request brings along: a correlation id and a trace."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from uuid_utils.compat import uuid7

from events.context import Context, caused_by
from orderproject.limits import Verdict, quota_of, take
from orderproject.paths import PROBES, is_for_programs
from orderproject.problems import problem

REQUEST_ID = re.compile(r"^[\x21-\x7e]{1,128}$")
# https://www.w3.org/TR/trace-context/: version ff and ids of zeros are invalid.
TRACEPARENT = re.compile(r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


class RequestContextMiddleware:
    """Takes `X-Request-ID` and `traceparent` over, or makes them; answers both and gives them to every event."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = request.headers.get("X-Request-ID", "")
        if not REQUEST_ID.match(request_id):
            request_id = str(uuid7())
        trace = request.headers.get("traceparent", "")
        if not TRACEPARENT.match(trace):
            trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        context = Context(correlation_id=request_id, traceparent=trace)
        with structlog.contextvars.bound_contextvars(request_id=request_id), caused_by(context):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        response["traceparent"] = trace
        return response


DRAIN = 32 * 1024 * 1024
"""Bytes of a body that are read although nobody wants them."""


def _drain(request: HttpRequest) -> None:
    """Closing with a body unread resets the connection, and the client never sees why it was refused."""
    left = DRAIN
    with suppress(OSError):
        while left > 0 and (chunk := request._stream.read(65_536)):
            left -= len(chunk)


class RateLimitMiddleware:
    """Refuses whoever asks too often, and tells everybody how much is left; see `orderproject.limits`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        quota = quota_of(request)
        verdict = take(quota) if quota else None
        if verdict is None:
            return self.get_response(request)
        response = _too_many(request, verdict) if verdict.wait else self.get_response(request)
        for name, value in verdict.headers.items():
            response.headers.setdefault(name, value)
        return response


def _too_many(request: HttpRequest, verdict: Verdict) -> HttpResponse:
    detail = f"More than {verdict.limit} requests a minute. Try again in {verdict.wait} s."
    _drain(request)
    if is_for_programs(request.path):
        return problem(request, 429, "too-many-requests", detail)
    return HttpResponse(detail, status=429, content_type="text/plain")


class PathMiddleware(CommonMiddleware):
    """Django's, but programs are never redirected, for they would lose the body, and probes may use any host name."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_for_programs(request.path) and "Transfer-Encoding" in request.headers:
            # Django would take a body without a length for none at all.
            return problem(request, 411, "length-required", "Send the body with a Content-Length, not in chunks.")
        response: Any = super().__call__(request)
        if is_for_programs(request.path):
            _drain(request)
        return response  # type: ignore[no-any-return]

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path in PROBES else super().process_request(request)

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return not is_for_programs(request.path) and super().should_redirect_with_slash(request)
