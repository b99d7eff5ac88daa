"""Every error that a client can meet, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.encoding import iri_to_uri
from django.views import defaults
from rest_framework import exceptions

from events import Conflict, Refused
from orderproject.paths import is_for_programs
from orderproject.pointers import BODY, QUERY, FieldError, of_detail, of_struct
from orders.services import IllegalTransition, StaleVersion
from sagas.repair import NotRepairable

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds after which a client may hope that PostgreSQL is back."""
TOO_LARGE = f"A body may have {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."

log = structlog.get_logger(__name__)


class Problem(msgspec.Struct, frozen=True):
    """What went wrong; `type` is for programs, `detail` for people, `errors` says where in the request."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError]


def problem(
    request: HttpRequest,
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    title = code.replace("-", " ").capitalize()
    body = msgspec.json.encode(Problem(code, title, status, detail, iri_to_uri(request.path), errors or []))
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Django REST framework's EXCEPTION_HANDLER. None for what nobody foresaw: Django logs it and answers 500."""
    request: HttpRequest = context["request"]
    if isinstance(error, exceptions.APIException):
        return _of_framework(request, error)
    if isinstance(error, msgspec.ValidationError):
        return problem(request, 400, "invalid", "The body does not fit the schema.", errors=[of_struct(error)])
    if isinstance(error, Refused):
        return problem(request, 422, error.code, error.detail, errors=_errors_of_line(error))
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("the database is away", error=str(error))
        detail = "The database does not answer; nothing was changed unless it was answered before."
        return problem(request, 503, "unavailable", detail, headers={"Retry-After": RETRY_AFTER})
    for kind, (status, code) in _BY_TYPE.items():
        if isinstance(error, kind):
            return problem(request, status, code, TOO_LARGE if status == 413 else str(error) or code)
    return None


_BY_TYPE: dict[type[Exception], tuple[int, str]] = {
    Http404: (404, "not-found"),
    PermissionDenied: (403, "permission-denied"),
    RequestDataTooBig: (413, "too-large"),
    TooManyFieldsSent: (400, "invalid"),
    IllegalTransition: (409, "illegal-transition"),
    NotRepairable: (409, "illegal-transition"),
    Conflict: (409, "conflict"),
    StaleVersion: (412, "stale-version"),
}


def _errors_of_line(error: Refused) -> list[FieldError]:
    index = getattr(error, "index", None)
    return [] if index is None else [FieldError(f"#/items/{index}/{getattr(error, 'field', 'sku')}", error.detail)]


def _of_framework(request: HttpRequest, error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if authenticate := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        root = QUERY if request.method in {"GET", "HEAD"} else BODY
        errors = of_detail(error.detail, root)
        detail = "The request does not fit the schema."
        return problem(request, error.status_code, "invalid", detail, errors=errors, headers=headers)
    code: Any = error.get_codes()
    sentence: Any = error.detail
    if isinstance(sentence, dict):  # the errors of a token carry their code beside the sentence
        code, sentence = sentence.get("code", error.default_code), sentence["detail"]
    return problem(request, error.status_code, str(code).replace("_", "-"), str(sentence), headers=headers)


# --- Django's own handlers, for what no view has seen --------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request.path):
        if isinstance(exception, RequestDataTooBig):
            return problem(request, 413, "too-large", TOO_LARGE)
        return problem(request, 400, "bad-request", "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request.path):
        return problem(request, 403, "permission-denied", "You may not do this.")
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request.path):
        return problem(request, 404, "not-found", "Nothing is here; every path of the API ends in a slash.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_for_programs(request.path):
        return problem(request, 500, "internal-error", "This is our fault, and it is logged under the X-Request-ID.")
    return defaults.server_error(request)
