"""What the API's description says of replays, beside the types."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from events import replay_wire as wire
from events.openapi import STAFF, TAGS

LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, response=[202], description="Where its progress is; none for a dry run."
)

START: dict[str, Any] = {
    "operation_id": "startReplay",
    "tags": TAGS,
    "summary": "Hand old events to a subscriber again, or rebuild its read model",
    "request": wire.NewReplay,
    "parameters": [LOCATION],
    "responses": {
        202: OpenApiResponse(wire.Replay, description="It has begun; a dry run only says how much it would be."),
        **STAFF,
        409: OpenApiResponse(description="`conflict`: this subscriber is being replayed already."),
        422: OpenApiResponse(
            description="`unknown-subscriber`; `not-replayable`: it did not say that it may be handed old events;"
            " `whole-log-only`: a read model is rebuilt as a whole; `empty-range`."
        ),
    },
}
READ: dict[str, Any] = {
    "operation_id": "getReplay",
    "tags": TAGS,
    "summary": "How far a replay is",
    "responses": {200: wire.Replay, **STAFF},
}
