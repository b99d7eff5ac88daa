"""OpenAPI descriptions of the saga operations."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from sagas.operations import serializers as wire
from web.openapi import OPERATIONS, STAFF

REPAIRED = {
    202: OpenApiResponse(wire.SagaDetails, description="The saga continues within a few seconds."),
    **STAFF,
    409: OpenApiResponse(description="`illegal-transition`: the saga's state does not allow it; `detail` says why."),
}

LIST: dict[str, Any] = {
    "operation_id": "listSagas",
    "tags": OPERATIONS,
    "summary": "List saga runs",
    "responses": {200: wire.SagaRun, **STAFF},
}
READ: dict[str, Any] = {
    "operation_id": "getSaga",
    "tags": OPERATIONS,
    "summary": "Get one saga run with its steps and the possible repairs",
    "responses": {200: wire.SagaDetails, **STAFF},
}
RETRY: dict[str, Any] = {
    "operation_id": "retrySaga",
    "tags": OPERATIONS,
    "summary": "Retry the stuck steps of a saga",
    "request": wire.ReasonBody,
    "responses": REPAIRED,
}
SKIP: dict[str, Any] = {
    "operation_id": "skipSagaStep",
    "tags": OPERATIONS,
    "summary": "Mark a stuck step as resolved by hand",
    "request": wire.Skip,
    "responses": REPAIRED,
}
COMPENSATE: dict[str, Any] = {
    "operation_id": "compensateSaga",
    "tags": OPERATIONS,
    "summary": "Compensate a running saga: undo its completed steps",
    "request": wire.ReasonBody,
    "responses": REPAIRED,
}
