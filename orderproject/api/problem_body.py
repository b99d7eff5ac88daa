"""The body of a problem (RFC 9457). The errors of nginx have the same form: see `deploy/nginx/nginx.conf`."""

from __future__ import annotations

import msgspec

from orderproject.api.pointers import FieldError

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """An error. `type` is a code for programs, `detail` a sentence for people; `errors` names the invalid fields."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError]


def body_of(status: int, code: str, detail: str, instance: str, errors: list[FieldError] | None = None) -> bytes:
    title = code.replace("-", " ").capitalize()
    return msgspec.json.encode(Problem(code, title, status, detail, instance, errors or []))
