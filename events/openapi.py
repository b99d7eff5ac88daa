"""What the API's description says of dead letters, beside the types."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from events import serializers as wire

TAGS = ["operations"]
STAFF = {403: OpenApiResponse(description="You are not of the staff, or lack the permission.")}
WORKED = {
    200: OpenApiResponse(wire.Worked, description="As many as one request has time for; ask again while some are left.")
}

LIST: dict[str, Any] = {
    "operation_id": "listDeadLetters",
    "tags": TAGS,
    "summary": "Deliveries that wait for a person",
    "responses": {200: wire.DeadLetter, **STAFF},
}
READ: dict[str, Any] = {
    "operation_id": "getDeadLetter",
    "tags": TAGS,
    "summary": "One delivery with its data and attempts, also after it was retried or discarded",
    "responses": {200: wire.DeadLetterDetails, **STAFF},
}
GROUPS: dict[str, Any] = {
    "operation_id": "listDeadLetterGroups",
    "tags": TAGS,
    "summary": "Dead letters counted by subscriber and error, the most first",
    "responses": {200: wire.DeadLetterGroup, **STAFF},
}
RETRY: dict[str, Any] = {
    "operation_id": "retryDeadLetters",
    "tags": TAGS,
    "summary": "Deliver again",
    "request": wire.Retry,
    "responses": {**WORKED, **STAFF},
}
DISCARD: dict[str, Any] = {
    "operation_id": "discardDeadLetters",
    "tags": TAGS,
    "summary": "Never deliver; they stay on record",
    "request": wire.Discard,
    "responses": {**WORKED, **STAFF, 422: OpenApiResponse(description="`reason-missing`.")},
}
EDIT: dict[str, Any] = {
    "operation_id": "editDeadLetter",
    "tags": TAGS,
    "summary": "Deliver other data than the event's; the log keeps the event as it happened",
    "request": wire.Edit,
    "responses": {
        200: wire.Edited,
        **STAFF,
        422: OpenApiResponse(
            description="`invalid-data`: they do not fit the event; `other-stream`: they are about something else;"
            " `not-dead`: only a dead letter can be edited."
        ),
    },
}
