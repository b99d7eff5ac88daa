"""Converts every error of the API to `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.encoding import iri_to_uri
from rest_framework import exceptions

from events import Conflict, Refused
from orderproject.api.paths import is_for_programs
from orderproject.api.pointers import BODY, QUERY, FieldError, of_detail, of_struct
from orderproject.api.problem_body import CONTENT_TYPE, body_of
from orderproject.pages.errors import error_page, forbidden
from orders.services import IllegalTransition, StaleVersion
from sagas.operations.repair import NotRepairable

RETRY_AFTER = "5"
"""Seconds after which a client should retry when the database is unavailable."""
TOO_LARGE = f"The body is too large. Send at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."

UNKNOWN_FORMAT = "There is no such format here. Omit the parameter `format`."

log = structlog.get_logger(__name__)


def problem(
    request: HttpRequest,
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    body = body_of(status, code, detail, iri_to_uri(request.path), errors)
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Django REST framework's EXCEPTION_HANDLER. None for unexpected errors: Django logs them and answers 500."""
    request: HttpRequest = context["request"]
    if isinstance(error, exceptions.APIException):
        return _of_framework(request, error)
    if isinstance(error, msgspec.ValidationError):
        return problem(request, 400, "invalid", "The body does not fit the schema.", errors=[of_struct(error)])
    if isinstance(error, Refused):
        return problem(request, 422, error.code, error.detail, errors=_errors_of_line(error))
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("database unavailable; answered 503", error=str(error))
        detail = "The database is unavailable. Try again later; use the same Idempotency-Key if you sent one."
        return problem(request, 503, "unavailable", detail, headers={"Retry-After": RETRY_AFTER})
    for kind, (status, code) in _BY_TYPE.items():
        if isinstance(error, kind):
            return problem(request, status, code, TOO_LARGE if status == 413 else str(error) or _unsaid(request, code))
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


def _unsaid(request: HttpRequest, code: str) -> str:
    """The detail of an error without a text: Django REST framework raises such a one for an unknown `format`."""
    return UNKNOWN_FORMAT if "format" in request.GET else code


def _errors_of_line(error: Refused) -> list[FieldError]:
    if pointer := getattr(error, "pointer", ""):
        return [FieldError(pointer, error.detail)]
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
    if isinstance(sentence, dict):  # errors of access tokens contain a code and a sentence
        code, sentence = sentence.get("code", error.default_code), sentence["detail"]
    return problem(request, error.status_code, str(code).replace("_", "-"), str(sentence), headers=headers)


# --- Django's error handlers, for requests that reached no view ----------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request.path):
        if isinstance(exception, RequestDataTooBig):
            return problem(request, 413, "too-large", TOO_LARGE)
        return problem(request, 400, "bad-request", "The request is malformed. Correct it before you send it again.")
    said = str(exception) if isinstance(exception, BadRequest) else ""
    return error_page(request, 400, said or "Go back, reload the page and try again.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request.path):
        return problem(request, 403, "permission-denied", "You do not have permission to do this.")
    return forbidden(request, str(exception))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW. The usual cause is a form that was open while its user logged in again."""
    if is_for_programs(request.path):
        return problem(request, 403, "permission-denied", reason or "The CSRF token is missing or wrong.")
    return error_page(request, 403, "The form is out of date. Go back, reload the page and send the form again.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request.path):
        return problem(request, 404, "not-found", "There is no such path. Every path of the API ends with a slash.")
    return error_page(request, 404, "The address may be mistyped, or what it showed was deleted.")


def server_error(request: HttpRequest) -> HttpResponse:
    if is_for_programs(request.path):
        return problem(
            request,
            500,
            "internal-error",
            "An internal error occurred. Report it with the X-Request-ID of this response.",
        )
    return error_page(request, 500, "Try again in a moment. If it happens again, tell an administrator.")
