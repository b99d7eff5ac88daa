"""Middleware: correlation and trace ids, rate limits, and rules for bodies and paths."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import structlog
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from uuid_utils.compat import uuid7

from events.log.bound import fields_of
from events.log.context import Context, caused_by
from orderproject.admin_site import refusals
from orderproject.api.bodies import drain, refusal_of_body
from orderproject.api.limits import Verdict, quota_of, take
from orderproject.api.paths import PROBES, is_for_programs, is_of_the_admin
from orderproject.api.problems import problem
from orderproject.observability.request_spans import begin_request, end_request
from orderproject.pages.errors import error_page

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")
REQUEST_ID_RULE = "Send 1 to 128 printable ASCII characters without spaces. This response has a new id instead."


class RequestContextMiddleware:
    """Uses or generates `X-Request-ID` and `traceparent`; adds both to the response and to every event.

    If the client's id is refused, the response says so and why, in `X-Request-ID-Refused`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = request.headers.get("X-Request-ID", "")
        refused = "X-Request-ID" in request.headers and not REQUEST_ID.match(request_id)
        if not REQUEST_ID.match(request_id):
            request_id = str(uuid7())
        trace, span = begin_request(request)
        context = Context(correlation_id=request_id, traceparent=trace)
        with structlog.contextvars.bound_contextvars(request_id=request_id, **fields_of(context)), caused_by(context):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        if refused:
            response["X-Request-ID-Refused"] = REQUEST_ID_RULE
        response["traceparent"] = trace
        if span is not None:
            end_request(span, request, response)
        return response


class RateLimitMiddleware:
    """Refuses requests over the rate limit and adds `RateLimit-*` headers; see `orderproject.api.limits`."""

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
    detail = f"You exceeded the limit of {verdict.limit} requests per minute. Try again in {verdict.wait} s."
    drain(request)
    if is_for_programs(request.path):
        return problem(request, 429, "too-many-requests", detail)
    return error_page(request, 429, detail)


class PathMiddleware(CommonMiddleware):
    """Django's CommonMiddleware, except that it never redirects API clients and accepts probes on any host name.

    It also refuses bodies that cannot be read; see `orderproject.api.bodies`.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if refusals.has_nul(request.COOKIES.values()):  # it would get into the query for the session
            raise BadRequest("Remove the NUL character from the cookie.")
        response: Any = refusal_of_body(request) or super().__call__(request)
        if is_for_programs(request.path):
            drain(request)
        return response  # type: ignore[no-any-return]

    def process_view(self, request: HttpRequest, view: Any, args: Any, arguments: dict[str, Any]) -> None:
        if is_of_the_admin(request.path):
            refusals.check(request, view, arguments)

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path in PROBES else super().process_request(request)

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return not is_for_programs(request.path) and super().should_redirect_with_slash(request)
