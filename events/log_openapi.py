"""What the API's description says of the log, beside the types."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from events import log_wire as wire
from events.openapi import STAFF, TAGS

EVENTS: dict[str, Any] = {
    "operation_id": "listEvents",
    "tags": TAGS,
    "summary": "The log, the newest first",
    "description": "To look something up. To follow what happens without a gap, listen to `stream/`: positions are"
    " handed out before the commit, so whoever pages forward at the end of the log may miss one.",
    "responses": {200: wire.Envelope, **STAFF},
}
TYPES: dict[str, Any] = {
    "operation_id": "listEventTypes",
    "tags": TAGS,
    "summary": "Every type of events: who emits it, who listens, on which queue",
    "responses": {200: wire.EventType, **STAFF},
}
SCHEMA: dict[str, Any] = {
    "operation_id": "getEventSchema",
    "tags": TAGS,
    "auth": [],
    "summary": "The JSON Schema of an event's `data`",
    "parameters": [
        OpenApiParameter("type", str, OpenApiParameter.PATH, description="Such as `order.created`"),
        OpenApiParameter("version", str, OpenApiParameter.PATH, description="Such as `1.0`"),
    ],
    "responses": {200: OpenApiResponse(OpenApiTypes.OBJECT, description="JSON Schema, draft 2020-12.")},
}
ASYNCAPI: dict[str, Any] = {
    "operation_id": "getAsyncApi",
    "tags": TAGS,
    "summary": "All channels, operations and messages, as an AsyncAPI 3.0 document",
    "responses": {200: OpenApiResponse(OpenApiTypes.OBJECT, description="An AsyncAPI document."), **STAFF},
}
