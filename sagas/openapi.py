"""What the API's description says of sagas, beside the types."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from sagas import serializers as wire

TAGS = ["operations"]
STAFF = {403: OpenApiResponse(description="You are not of the staff, or lack the permission.")}
REPAIRED = {
    202: OpenApiResponse(wire.SagaDetails, description="It goes on within a second or two."),
    **STAFF,
    409: OpenApiResponse(description="`illegal-transition`: the saga's state does not allow it; `detail` says why."),
}

LIST: dict[str, Any] = {
    "operation_id": "listSagas",
    "tags": TAGS,
    "summary": "Runs of sagas",
    "responses": {200: wire.SagaRun, **STAFF},
}
READ: dict[str, Any] = {
    "operation_id": "getSaga",
    "tags": TAGS,
    "summary": "One run with its steps, and what may be done about it",
    "responses": {200: wire.SagaDetails, **STAFF},
}
RETRY: dict[str, Any] = {
    "operation_id": "retrySaga",
    "tags": TAGS,
    "summary": "Try again what is stuck",
    "request": wire.Because,
    "responses": REPAIRED,
}
SKIP: dict[str, Any] = {
    "operation_id": "skipSagaStep",
    "tags": TAGS,
    "summary": "Count a stuck step as settled",
    "request": wire.Skip,
    "responses": REPAIRED,
}
COMPENSATE: dict[str, Any] = {
    "operation_id": "compensateSaga",
    "tags": TAGS,
    "summary": "Turn a running saga back",
    "request": wire.Because,
    "responses": REPAIRED,
}
