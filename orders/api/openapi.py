"""The OpenAPI descriptions of the order endpoints. The schemas come from `orders.api.serializers`."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from events.catalogue.serializers import Envelope
from orders.api import serializers as wire

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    required=True,
    description="Use a new key for each order. A retry with the same key and body gets the first response, byte for"
    " byte. A missing key gets 400 `idempotency-key-missing`; a key that is too long, `idempotency-key-invalid`.",
)
MAY_HAVE_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="Optional. A retry with the same key and body has no further effect and gets the first response, byte"
    " for byte. An empty key gets 400 `idempotency-key-missing`; a key that is too long, `idempotency-key-invalid`.",
)
AT_VERSION = OpenApiParameter(
    "atVersion",
    {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    description="Returns the order as it was at this version, without an `ETag`. Fields that are not in the event log,"
    " such as the address, have their current values.",
)
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The `ETag` of your last read.")
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` of your cached copy."
)


def answered(name: str, statuses: list[int], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, response=statuses, description=description)


ETAG = "Changes whenever the order or its payment changes."

LIST: dict[str, Any] = {
    "operation_id": "listOrders",
    "tags": ["orders"],
    "summary": "List your orders; staff see all orders",
    "responses": {200: wire.Order, 403: OpenApiResponse(description="Only staff can filter by `customer`.")},
}
PLACE: dict[str, Any] = {
    "operation_id": "placeOrder",
    "tags": ["orders"],
    "summary": "Place an order",
    "request": wire.NewOrder,
    "parameters": [
        IDEMPOTENCY_KEY,
        answered("Location", [201], "The URL of the order."),
        answered("ETag", [201], ETAG),
        answered("Idempotency-Replayed", [201], "`true` if this is the stored response to an earlier request."),
    ],
    "responses": {
        201: OpenApiResponse(
            wire.Order, description="Accepted. The order is `pending` until it is confirmed or cancelled."
        ),
        409: OpenApiResponse(description="`request-in-progress`: another request with this key is being processed."),
        422: OpenApiResponse(
            description="`unknown-product`, `wrong-currency`, `idempotency-key-reused`, or `invalid`: "
            "there is no such currency, or a SKU occurs twice."
        ),
    },
}
BULK: dict[str, Any] = {
    "operation_id": "placeOrders",
    "tags": ["orders"],
    "summary": "Place up to 500 orders",
    "description": "Each order has its own idempotency key and its own result: a refused order does not affect the "
    "others. All accepted orders are accepted in one transaction.",
    "request": wire.NewOrders,
    "responses": {
        207: OpenApiResponse(wire.BulkResults, description="One result per order, in the order of the request.")
    },
}
READ: dict[str, Any] = {
    "operation_id": "getOrder",
    "tags": ["orders"],
    "summary": "Get an order",
    "parameters": [AT_VERSION, IF_NONE_MATCH, answered("ETag", [200, 304], ETAG)],
    "responses": {
        200: wire.Order,
        304: OpenApiResponse(description="Not modified: your copy is current."),
        404: OpenApiResponse(description="The order does not exist, belongs to another user, or has no such version."),
        405: OpenApiResponse(description="`bulk` is not an order id."),
    },
}
CANCEL: dict[str, Any] = {
    "operation_id": "cancelOrder",
    "tags": ["orders"],
    "summary": "Cancel an order, or what of it has not been shipped",
    "description": "An order of which nothing has been shipped is cancelled as a whole. Of a partially shipped order,"
    " `items` are cancelled, refunded and restocked; by default all items that have not been shipped. It becomes"
    " `shipped` when nothing is left to ship. An order of which everything has been shipped can be returned instead.",
    "request": wire.Cancellation,
    "parameters": [
        MAY_HAVE_KEY,
        IF_MATCH,
        answered("ETag", [202], ETAG),
        answered("Idempotency-Replayed", [202], "`true` if this is the stored response to an earlier request."),
    ],
    "responses": {
        202: OpenApiResponse(
            wire.Order,
            description="Cancellation requested. A pending order is cancelled as soon as its saga allows it.",
        ),
        403: OpenApiResponse(description="You can see this order, but you do not have permission to cancel it."),
        409: OpenApiResponse(
            description="`illegal-transition`: the order's status does not allow cancellation, or only as a whole;"
            " `request-in-progress`: another request with this key is being processed."
        ),
        412: OpenApiResponse(
            description="`stale-version`: the order has changed since this `If-Match`. Read it again."
        ),
        422: OpenApiResponse(description="`not-ordered`, `more-than-unshipped`, or `idempotency-key-reused`."),
    },
}
EVENTS: dict[str, Any] = {
    "operation_id": "listOrderEvents",
    "tags": ["orders"],
    "summary": "List the events of an order, by version",
    "responses": {200: Envelope},
}
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    {"type": "string", "pattern": "^[0-9]{1,19}$"},
    OpenApiParameter.HEADER,
    description="The last `id` you received. The stream resumes after it, without gaps or duplicates.",
)
STREAMED = (
    "Server-sent events: `id` is the position in the stream, `event` the event type, `data` an Envelope as JSON. The"
    " server sends a comment every 15 s. The stream ends when the access token that opened it expires, and can end at"
    " any other time. Reconnect with `Last-Event-ID`."
)
UNAVAILABLE = OpenApiResponse(description="Live streams are unavailable. Try again later.")
ORDER_STREAM: dict[str, Any] = {
    "operation_id": "streamOrderEvents",
    "tags": ["orders"],
    "summary": "Stream the past and new events of an order",
    "description": f"{STREAMED} Without `Last-Event-ID` the stream begins with the order's first event.",
    "parameters": [LAST_EVENT_ID],
    "responses": {(200, "text/event-stream"): str, 503: UNAVAILABLE},
}
STREAM: dict[str, Any] = {
    "operation_id": "streamEvents",
    "tags": ["orders"],
    "summary": "Stream new events of your orders and their payments; staff see all events",
    "description": f"{STREAMED} Without `Last-Event-ID` the stream begins now; with `0`, at the beginning of the log.",
    "parameters": [LAST_EVENT_ID],
    "responses": {(200, "text/event-stream"): str, 503: UNAVAILABLE},
}

REPLAYED = "`true` if this is the stored response to an earlier request."
CONFLICT = OpenApiResponse(
    description="`illegal-transition`: the order's status does not allow this; `request-in-progress`: another request"
    " with this key is being processed."
)
STALE = OpenApiResponse(description="`stale-version`: the order has changed since this `If-Match`. Read it again.")


def fulfilment(status: int) -> list[OpenApiParameter]:
    """The headers of an operation on an order that may have an idempotency key."""
    return [
        MAY_HAVE_KEY,
        IF_MATCH,
        answered("ETag", [status], ETAG),
        answered("Idempotency-Replayed", [status], REPLAYED),
    ]


SHIP: dict[str, Any] = {
    "operation_id": "shipOrder",
    "tags": ["orders"],
    "summary": "Ship some or all remaining items of an order; staff only",
    "request": wire.NewShipment,
    "parameters": fulfilment(201),
    "responses": {
        201: OpenApiResponse(wire.Shipment, description="Shipped. The order is now `shipped` or `partially_shipped`."),
        403: OpenApiResponse(description="You can see this order, but you do not have permission to ship it."),
        409: CONFLICT,
        412: STALE,
        422: OpenApiResponse(description="`not-ordered`, `more-than-ordered`, or `idempotency-key-reused`."),
    },
}
DELIVER: dict[str, Any] = {
    "operation_id": "deliverOrder",
    "tags": ["orders"],
    "summary": "Mark a shipped order as delivered; staff only",
    "request": None,
    "parameters": fulfilment(200),
    "responses": {
        200: OpenApiResponse(wire.Order, description="The order is now `delivered`."),
        403: OpenApiResponse(
            description="You can see this order, but you do not have permission to mark it as delivered."
        ),
        409: CONFLICT,
        412: STALE,
        422: OpenApiResponse(description="`idempotency-key-reused`."),
    },
}
REFUND: dict[str, Any] = {
    "operation_id": "refundOrder",
    "tags": ["orders"],
    "summary": "Refund money of an order without a return; staff only",
    "request": wire.NewRefund,
    "parameters": fulfilment(202),
    "responses": {
        202: OpenApiResponse(wire.Refund, description="The refund follows; `payment.refund` of the order tells of it."),
        403: OpenApiResponse(description="You can see this order, but you do not have permission to refund it."),
        409: CONFLICT,
        412: STALE,
        422: OpenApiResponse(description="`more-than-paid`, `wrong-currency`, or `idempotency-key-reused`."),
    },
}
