"""The span of an HTTP request, and whether its trace is sampled: as the client decided, else by a ratio."""

from __future__ import annotations

import random
import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from events.tracing import names
from events.tracing.spans import Kind, Span, begin, begin_root, end, new_span_id, new_trace_id, recording, shape
from orderproject.api.paths import is_of_the_admin, is_of_the_api

# https://www.w3.org/TR/trace-context/: version ff and ids of zeros are invalid.
TRACEPARENT = re.compile(r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
BEGUN = shape("request", Kind.SERVER)
"""Until the response tells the route."""


def begin_request(request: HttpRequest) -> tuple[str, Span | None]:
    """The `traceparent` for all that follows from the request, and its open span if its trace is sampled.

    Without a span the client's own context is taken over, or one is made that says that nothing is recorded.
    """
    given = request.headers.get("traceparent", "")
    if not TRACEPARENT.match(given):
        given = ""
    span = _begun(given) if recording() and _is_work(request.path) else None
    if span is not None:
        return span.context, span
    return given or f"00-{new_trace_id()}-{new_span_id()}-00", None


def _begun(given: str) -> Span | None:
    if given:
        return begin(given, BEGUN)
    return begin_root(BEGUN) if random.random() < settings.OTEL_TRACES_SAMPLER_ARG else None  # noqa: S311  # nosec B311


def _is_work(path: str) -> bool:
    """Not probes and static files, which are asked for all the time."""
    return is_of_the_api(path) or is_of_the_admin(path)


def end_request(span: Span, request: HttpRequest, response: HttpResponse) -> None:
    method = request.method if request.method in METHODS else "_OTHER"
    match = request.resolver_match
    route = f"/{match.route}" if match else ""
    told = [(names.HTTP_REQUEST_METHOD, method), *([(names.HTTP_ROUTE, route)] if route else [])]
    span.shape = shape(f"{method} {route}".rstrip(), Kind.SERVER, *told)
    error = str(response.status_code) if response.status_code >= 500 else ""
    end(span, error, (names.HTTP_RESPONSE_STATUS_CODE, response.status_code), (names.URL_PATH, request.path))
