"""OpenAPI descriptions of the replay operations."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from events.replay import serializers as wire
from web.openapi import OPERATIONS, STAFF

LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, response=[202], description="The URL of the replay; absent for a dry run."
)

START: dict[str, Any] = {
    "operation_id": "startReplay",
    "tags": OPERATIONS,
    "summary": "Deliver old events to a subscriber again, or rebuild its read model",
    "request": wire.NewReplay,
    "parameters": [LOCATION],
    "responses": {
        202: OpenApiResponse(wire.Replay, description="The replay has started; a dry run only returns its size."),
        **STAFF,
        409: OpenApiResponse(description="`conflict`: another replay to this subscriber is running."),
        422: OpenApiResponse(
            description="`unknown-subscriber`; `not-replayable`: the subscriber is not declared with replay=True;"
            " `whole-log-only`: a read model can only be rebuilt from the whole log; `empty-range`."
        ),
    },
}
READ: dict[str, Any] = {
    "operation_id": "getReplay",
    "tags": OPERATIONS,
    "summary": "Get the progress of a replay",
    "responses": {200: wire.Replay, **STAFF},
}
