"""How long requests take and how they end, counted by a few kinds of requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product

from django.http import HttpRequest, HttpResponse

from events.metrics.declare import Histogram
from events.tracing.spans import recording
from orderproject.api.paths import API, PROBES, is_of_the_admin, is_of_the_api

PLACING = (f"{API}v1/orders/", f"{API}v1/orders/bulk/")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
PLACE, READ, WRITE, ADMIN, OTHER = KINDS = ("place", "read", "write", "admin", "other")
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

REQUEST = Histogram(
    "http_request_seconds",
    "Time that web took for a request, from its first middleware on.",
    ("kind", "status"),
    BOUNDS,
    known=lambda: product(KINDS, ("2xx", "4xx", "5xx")),
)


class MeasuringMiddleware:
    """The outermost middleware: it counts all requests except the probes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        if request.path not in PROBES:
            kind, took = kind_of(request), time.perf_counter() - began
            trace = response.get("traceparent", "") if recording() and kind != OTHER else ""
            REQUEST.observe(took, kind, f"{response.status_code // 100}xx", trace=trace)
        return response


def kind_of(request: HttpRequest) -> str:
    if is_of_the_api(request.path):
        if request.method in READING:
            return READ
        return PLACE if request.method == "POST" and request.path in PLACING else WRITE
    return ADMIN if is_of_the_admin(request.path) else OTHER
