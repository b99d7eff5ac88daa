"""OpenAPI descriptions of the dead-letter operations."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from events.dead_letters import serializers as wire
from web.openapi import OPERATIONS, STAFF

WORKED = {
    200: OpenApiResponse(
        wire.RepairResult, description="One request handles a limited number; repeat it while `left` is above 0."
    )
}

LIST: dict[str, Any] = {
    "operation_id": "listDeadLetters",
    "tags": OPERATIONS,
    "summary": "List dead letters: deliveries that failed for good",
    "responses": {200: wire.DeadLetter, **STAFF},
}
READ: dict[str, Any] = {
    "operation_id": "getDeadLetter",
    "tags": OPERATIONS,
    "summary": "Get one delivery with its data and attempts, even after it was retried or discarded",
    "responses": {200: wire.DeadLetterDetails, **STAFF},
}
GROUPS: dict[str, Any] = {
    "operation_id": "listDeadLetterGroups",
    "tags": OPERATIONS,
    "summary": "Count dead letters by subscriber and error, largest group first",
    "responses": {200: wire.DeadLetterGroup, **STAFF},
}
RETRY: dict[str, Any] = {
    "operation_id": "retryDeadLetters",
    "tags": OPERATIONS,
    "summary": "Deliver dead letters again",
    "request": wire.Retry,
    "responses": {**WORKED, **STAFF},
}
DISCARD: dict[str, Any] = {
    "operation_id": "discardDeadLetters",
    "tags": OPERATIONS,
    "summary": "Discard dead letters; they stay on record and are never delivered",
    "request": wire.Discard,
    "responses": {**WORKED, **STAFF, 422: OpenApiResponse(description="`reason-missing`.")},
}
EDIT: dict[str, Any] = {
    "operation_id": "editDeadLetter",
    "tags": OPERATIONS,
    "summary": "Deliver edited data in place of the event's; the log keeps the original event",
    "request": wire.Edit,
    "responses": {
        200: wire.Edited,
        **STAFF,
        422: OpenApiResponse(
            description="`invalid-data`: the data do not match the event's schema; `other-stream`: the data are about"
            " another aggregate; `not-dead`: only a dead letter can be edited."
        ),
    },
}
