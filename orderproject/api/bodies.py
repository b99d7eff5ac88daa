"""Bodies that cannot be read are refused, and unread ones are discarded. nginx gives bodies in chunks a length."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, HttpResponse

from orderproject.api.paths import is_for_programs
from orderproject.api.problems import problem

DRAIN = 32 * 1024 * 1024
"""The maximum number of unread body bytes that are read and discarded."""
COMPRESSED = "Send the body uncompressed, without Content-Encoding."
UNKNOWN_LENGTH = "This server does not decode bodies in chunks. Send the body with a Content-Length."


def refusal_of_body(request: HttpRequest) -> HttpResponse | None:
    """The answer to a body that is compressed, or of which Django would read nothing, because it has no length."""
    headers = request.META
    if headers.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in {"", "identity"}:
        return _refused(request, 415, "unsupported-encoding", COMPRESSED, {"Accept-Encoding": "identity"})
    if "HTTP_TRANSFER_ENCODING" in headers and not headers.get("CONTENT_LENGTH"):
        return _refused(request, 411, "length-required", UNKNOWN_LENGTH)
    return None


def drain(request: HttpRequest) -> None:
    """Reads the rest of the body. Closing a connection with unread data resets it before the client gets the answer."""
    left = DRAIN
    with suppress(OSError):
        while left > 0 and (chunk := request._stream.read(65_536)):
            left -= len(chunk)


def _refused(
    request: HttpRequest, status: int, code: str, detail: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    if is_for_programs(request.path):
        return problem(request, status, code, detail, headers=headers)
    return HttpResponse(detail, status=status, content_type="text/plain", headers=headers)
