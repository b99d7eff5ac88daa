"""What the API's description says of webhooks, beside the types."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from notifications import serializers as wire

TAGS = ["webhooks"]
LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, response=[201], description="Where the webhook is."
)
SWITCHED_OFF = {422: OpenApiResponse(description="`webhook-disabled`: switch it on first.")}

LIST: dict[str, Any] = {
    "operation_id": "listWebhooks",
    "tags": TAGS,
    "summary": "Your webhooks",
    "responses": {200: wire.Webhook},
}
CREATE: dict[str, Any] = {
    "operation_id": "createWebhook",
    "tags": TAGS,
    "summary": "Have events of your orders sent to you, signed",
    "description": "Whatever happens after the answer is sent. The answer may take a second.",
    "request": wire.NewWebhook,
    "parameters": [LOCATION],
    "responses": {
        201: OpenApiResponse(wire.WebhookWithSecret, description="Made. The secret is shown this once."),
        422: OpenApiResponse(
            description="`address-refused`: the name leads to a private or loopback address; `too-many-webhooks`;"
            " `invalid`: `errors` says where."
        ),
    },
}
READ: dict[str, Any] = {
    "operation_id": "getWebhook",
    "tags": TAGS,
    "summary": "One webhook",
    "responses": {200: wire.Webhook},
}
CHANGE: dict[str, Any] = {
    "operation_id": "changeWebhook",
    "tags": TAGS,
    "summary": "Change a webhook, or switch it off or on",
    "description": "Switched on again, it is sent what has been waiting for it.",
    "request": wire.WebhookChange,
    "responses": {
        200: wire.Webhook,
        422: OpenApiResponse(
            description="`address-refused`: the name leads to a private or loopback address;"
            " `invalid`: `errors` says where."
        ),
    },
}
DELETE: dict[str, Any] = {
    "operation_id": "deleteWebhook",
    "tags": TAGS,
    "summary": "Delete a webhook; nothing more is sent",
    "responses": {204: OpenApiResponse(description="It is gone.")},
}
ROTATE: dict[str, Any] = {
    "operation_id": "rotateWebhookSecret",
    "tags": TAGS,
    "summary": "A new secret; for 24 hours the old one signs as well",
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
    "summary": "What was sent to a webhook, try by try, and what will be",
    "responses": {200: wire.WebhookDelivery},
}
REDELIVER: dict[str, Any] = {
    "operation_id": "redeliverWebhookDelivery",
    "tags": TAGS,
    "summary": "Send it again, under the same `webhook-id`",
    "request": None,
    "responses": {202: wire.WebhookDelivery, **SWITCHED_OFF},
}
