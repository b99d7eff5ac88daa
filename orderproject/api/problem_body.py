"""The body of a problem (RFC 9457). The errors of nginx have the same form: see `deploy/nginx/nginx.conf`."""

from __future__ import annotations

import msgspec

from events.log.context import current_context
from events.tracing.spans import recording, trace_id_of
from orderproject.api.pointers import FieldError

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """An error. `type` is a code for programs, `detail` a sentence for people; `errors` names the invalid fields.

    `traceId` is the request's trace, where traces are recorded.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError]
    trace_id: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="traceId")


def body_of(status: int, code: str, detail: str, instance: str, errors: list[FieldError] | None = None) -> bytes:
    title = code.replace("-", " ").capitalize()
    trace_id = trace_id_of(current_context().traceparent) if recording() else ""
    return msgspec.json.encode(Problem(code, title, status, detail, instance, errors or [], trace_id or msgspec.UNSET))
