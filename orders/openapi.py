"""What the API's description says of orders, beside the types."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from orders import serializers as wire

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    required=True,
    description="New for each order. The same key and body again get the first answer, byte for byte.",
)
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The `ETag` that was read last.")
IF_NONE_MATCH = OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` at hand.")


def _answered(name: str, statuses: list[int], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, response=statuses, description=description)


ETAG = "Changes with every change of the order or its payment."

LIST: dict[str, Any] = {
    "operation_id": "listOrders",
    "tags": ["orders"],
    "summary": "Your orders; staff see all",
    "responses": {200: wire.Order, 403: OpenApiResponse(description="`customer` is for staff.")},
}
PLACE: dict[str, Any] = {
    "operation_id": "placeOrder",
    "tags": ["orders"],
    "summary": "Place an order",
    "request": wire.NewOrder,
    "parameters": [
        IDEMPOTENCY_KEY,
        _answered("Location", [201], "Where the order is."),
        _answered("ETag", [201], ETAG),
        _answered("Idempotency-Replayed", [201], "`true` where this is the answer to an earlier request."),
    ],
    "responses": {
        201: OpenApiResponse(wire.Order, description="Accepted; it is `pending` until stock and money are held."),
        409: OpenApiResponse(description="`request-in-progress`: the first request with this key is still worked on."),
        422: OpenApiResponse(
            description="`unknown-product`, `wrong-currency`, `total-too-large`, or `idempotency-key-reused`."
        ),
    },
}
BULK: dict[str, Any] = {
    "operation_id": "placeOrders",
    "tags": ["orders"],
    "summary": "Place up to 500 orders",
    "description": "Each under its own key and with its own result, as if it had been sent alone: one that is refused "
    "does not hold up the others. All that are accepted are accepted at the same instant.",
    "request": wire.NewOrders,
    "responses": {207: OpenApiResponse(wire.BulkResults, description="A result for each, in the order given.")},
}
READ: dict[str, Any] = {
    "operation_id": "getOrder",
    "tags": ["orders"],
    "summary": "One order",
    "parameters": [IF_NONE_MATCH, _answered("ETag", [200, 304], ETAG)],
    "responses": {
        200: wire.Order,
        304: OpenApiResponse(description="It is what you have."),
        405: OpenApiResponse(description="`bulk` is no id."),
    },
}
CANCEL: dict[str, Any] = {
    "operation_id": "cancelOrder",
    "tags": ["orders"],
    "summary": "Cancel an order that is not shipped",
    "request": wire.Cancellation,
    "parameters": [IF_MATCH, _answered("ETag", [202], ETAG)],
    "responses": {
        202: OpenApiResponse(wire.Order, description="Asked for; a pending order is cancelled as soon as it can be."),
        403: OpenApiResponse(description="You may see this order, but not cancel it."),
        409: OpenApiResponse(description="`illegal-transition`: the order's status does not allow it."),
        412: OpenApiResponse(description="`stale-version`: the order is not at this `If-Match` any more."),
    },
}
EVENTS: dict[str, Any] = {
    "operation_id": "listOrderEvents",
    "tags": ["orders"],
    "summary": "What happened to the order, in order of version",
    "responses": {200: wire.Envelope},
}
