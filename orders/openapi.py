"""What the API's description says of orders, beside the types."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from events.log_wire import Envelope
from orders import serializers as wire

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    required=True,
    description="New for each order. The same key and body again get the first answer, byte for byte. Without one: 400"
    " `idempotency-key-missing`; too long: `idempotency-key-invalid`.",
)
MAY_HAVE_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="The same key and body again get the first answer, byte for byte, and nothing happens twice."
    " Empty: 400 `idempotency-key-missing`; too long: `idempotency-key-invalid`.",
)
AT_VERSION = OpenApiParameter(
    "atVersion",
    {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    description="The order as it was at this version, without an `ETag`. What the log does not know, such as the"
    " address, is as it is now.",
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
    "parameters": [AT_VERSION, IF_NONE_MATCH, _answered("ETag", [200, 304], ETAG)],
    "responses": {
        200: wire.Order,
        304: OpenApiResponse(description="It is what you have."),
        404: OpenApiResponse(description="There is no such order, it is another's, or it has no such version."),
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
    "responses": {200: Envelope},
}
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    {"type": "string", "pattern": "^[0-9]{1,19}$"},
    OpenApiParameter.HEADER,
    description="The `id` that was received last: what came after it is sent first, and nothing twice.",
)
STREAMED = (
    "Server-sent events: `id` is the position in the stream, `event` the type, `data` an Envelope, as JSON; a comment"
    " every 15 s. The stream ends with the access token that opened it, and may end at any time: open it again with"
    " `Last-Event-ID`."
)
AWAY = OpenApiResponse(description="Live streams are not served at this moment: try again.")
ORDER_STREAM: dict[str, Any] = {
    "operation_id": "streamOrderEvents",
    "tags": ["orders"],
    "summary": "What happened to the order, and what happens, live",
    "description": f"{STREAMED} Without `Last-Event-ID` it begins with the order's first event.",
    "parameters": [LAST_EVENT_ID],
    "responses": {(200, "text/event-stream"): str, 503: AWAY},
}
STREAM: dict[str, Any] = {
    "operation_id": "streamEvents",
    "tags": ["orders"],
    "summary": "What happens to your orders and their payments, live; staff see all",
    "description": f"{STREAMED} Without `Last-Event-ID` it begins now; with `0`, at the beginning of all.",
    "parameters": [LAST_EVENT_ID],
    "responses": {(200, "text/event-stream"): str, 503: AWAY},
}

REPLAYED = "`true` where this is the answer to an earlier request."
CONFLICT = OpenApiResponse(
    description="`illegal-transition`: the order's status does not allow it; `request-in-progress`: the first request"
    " with this key is still worked on."
)
STALE = OpenApiResponse(description="`stale-version`: the order is not at this `If-Match` any more.")


def _fulfilment(status: int) -> list[OpenApiParameter]:
    return [
        MAY_HAVE_KEY,
        IF_MATCH,
        _answered("ETag", [status], ETAG),
        _answered("Idempotency-Replayed", [status], REPLAYED),
    ]


SHIP: dict[str, Any] = {
    "operation_id": "shipOrder",
    "tags": ["orders"],
    "summary": "For staff: some or all of what is still to be shipped is on its way",
    "request": wire.NewShipment,
    "parameters": _fulfilment(201),
    "responses": {
        201: OpenApiResponse(wire.Shipment, description="The order is `shipped`, or `partially_shipped`."),
        403: OpenApiResponse(description="You may see this order, but not ship it."),
        409: CONFLICT,
        412: STALE,
        422: OpenApiResponse(description="`not-ordered`, `more-than-ordered`, or `idempotency-key-reused`."),
    },
}
DELIVER: dict[str, Any] = {
    "operation_id": "deliverOrder",
    "tags": ["orders"],
    "summary": "For staff: the customer has everything",
    "request": None,
    "parameters": _fulfilment(200),
    "responses": {
        200: OpenApiResponse(wire.Order, description="The order is `delivered`."),
        403: OpenApiResponse(description="You may see this order, but not tell that it was delivered."),
        409: CONFLICT,
        412: STALE,
        422: OpenApiResponse(description="`idempotency-key-reused`."),
    },
}
RETURN: dict[str, Any] = {
    "operation_id": "returnOrder",
    "tags": ["orders"],
    "summary": "Give back some or all of a delivered order",
    "request": wire.NewReturn,
    "parameters": _fulfilment(202),
    "responses": {
        202: OpenApiResponse(wire.Return, description="Taken back; the refund and the restock follow."),
        403: OpenApiResponse(description="You may see this order, but not return it."),
        409: CONFLICT,
        412: STALE,
        422: OpenApiResponse(description="`not-ordered`, `more-than-shipped`, or `idempotency-key-reused`."),
    },
}
