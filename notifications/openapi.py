"""The OpenAPI descriptions of the webhook endpoints. The schemas come from `notifications.serializers`."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from notifications import serializers as wire

TAGS = ["webhooks"]
LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, response=[201], description="The URL of the webhook."
)
SWITCHED_OFF = {422: OpenApiResponse(description="`webhook-disabled`: switch the webhook on first.")}

LIST: dict[str, Any] = {
    "operation_id": "listWebhooks",
    "tags": TAGS,
    "summary": "List your webhooks",
    "responses": {200: wire.Webhook},
}
CREATE: dict[str, Any] = {
    "operation_id": "createWebhook",
    "tags": TAGS,
    "summary": "Create a webhook that receives signed events of your orders",
    "description": "The webhook receives every matching event that is recorded after the response. The response can"
    " take a second.",
    "request": wire.NewWebhook,
    "parameters": [LOCATION],
    "responses": {
        201: OpenApiResponse(wire.WebhookWithSecret, description="Created. The secret is shown only in this response."),
        422: OpenApiResponse(
            description="`address-refused`: the host resolves to a private or loopback address; `too-many-webhooks`;"
            " `invalid`: see `errors`."
        ),
    },
}
READ: dict[str, Any] = {
    "operation_id": "getWebhook",
    "tags": TAGS,
    "summary": "Get a webhook",
    "responses": {200: wire.Webhook},
}
CHANGE: dict[str, Any] = {
    "operation_id": "changeWebhook",
    "tags": TAGS,
    "summary": "Change a webhook, or switch it off or on",
    "description": "A webhook that is switched on again gets the pending deliveries.",
    "request": wire.WebhookChange,
    "responses": {
        200: wire.Webhook,
        422: OpenApiResponse(
            description="`address-refused`: the host resolves to a private or loopback address;"
            " `invalid`: see `errors`."
        ),
    },
}
DELETE: dict[str, Any] = {
    "operation_id": "deleteWebhook",
    "tags": TAGS,
    "summary": "Delete a webhook and stop its deliveries",
    "responses": {204: OpenApiResponse(description="Deleted.")},
}
ROTATE: dict[str, Any] = {
    "operation_id": "rotateWebhookSecret",
    "tags": TAGS,
    "summary": "Create a new secret; the old one also signs for 24 hours, if the server can still read it",
    "request": None,
    "responses": {200: wire.WebhookWithSecret},
}
TEST: dict[str, Any] = {
    "operation_id": "testWebhook",
    "tags": TAGS,
    "summary": "Send `webhook.tested` to this webhook",
    "request": None,
    "responses": {202: wire.WebhookDelivery, **SWITCHED_OFF},
}
DELIVERIES: dict[str, Any] = {
    "operation_id": "listWebhookDeliveries",
    "tags": TAGS,
    "summary": "List a webhook's deliveries with their attempts",
    "responses": {200: wire.WebhookDelivery},
}
SKIP: dict[str, Any] = {
    "operation_id": "skipWebhookDelivery",
    "tags": TAGS,
    "summary": "Give up a delivery that holds its stream, so that the later ones are sent",
    "description": "Only a failed delivery of an ordered webhook holds its stream. The reason goes to the audit.",
    "request": wire.SkippedDelivery,
    "responses": {
        200: wire.WebhookDelivery,
        422: OpenApiResponse(description="`holds-nothing`: the delivery holds no stream."),
    },
}
REDELIVER: dict[str, Any] = {
    "operation_id": "redeliverWebhookDelivery",
    "tags": TAGS,
    "summary": "Send a delivery again, with the same `webhook-id`",
    "request": None,
    "responses": {202: wire.WebhookDelivery, **SWITCHED_OFF},
}
