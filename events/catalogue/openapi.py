"""OpenAPI descriptions of the log operations."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from events.catalogue import serializers as wire
from web.openapi import OPERATIONS, STAFF

EVENTS: dict[str, Any] = {
    "operation_id": "listEvents",
    "tags": OPERATIONS,
    "summary": "List events, newest first",
    "description": "Use it to look events up. To follow new events without gaps, use `stream/`: positions are assigned"
    " before the commit, so a client that pages forward at the end of the log may miss events.",
    "responses": {200: wire.Envelope, **STAFF},
}
TYPES: dict[str, Any] = {
    "operation_id": "listEventTypes",
    "tags": OPERATIONS,
    "summary": "List event types with their emitters, subscribers and queues",
    "responses": {200: wire.EventType, **STAFF},
}
OF_ONE_TYPE: dict[str, Any] = {
    "tags": OPERATIONS,
    "auth": [],
    "parameters": [
        OpenApiParameter("type", str, OpenApiParameter.PATH, description="As `<kind>.<what happened>`"),
        OpenApiParameter("version", str, OpenApiParameter.PATH, description="Such as `1.0`"),
    ],
    "responses": {200: OpenApiResponse(OpenApiTypes.OBJECT, description="JSON Schema, draft 2020-12.")},
}
SCHEMA: dict[str, Any] = OF_ONE_TYPE | {
    "operation_id": "getEventSchema",
    "summary": "Get the JSON Schema of an event type's `data`",
}
ENVELOPE_SCHEMA: dict[str, Any] = OF_ONE_TYPE | {
    "operation_id": "getEnvelopeSchema",
    "summary": "Get the JSON Schema of an event type's envelope, which is what every channel carries",
    "description": "The attribute `dataschema` of a CloudEvent has this address.",
}
ASYNCAPI: dict[str, Any] = {
    "operation_id": "getAsyncApi",
    "tags": OPERATIONS,
    "summary": "Get all channels, operations and messages as an AsyncAPI 3.0 document",
    "responses": {200: OpenApiResponse(OpenApiTypes.OBJECT, description="An AsyncAPI document."), **STAFF},
}
