"""The OpenAPI descriptions of the return endpoints. The schemas come from `orders.fulfilment.returns_wire`."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from orders.api.openapi import CONFLICT, IF_NONE_MATCH, MAY_HAVE_KEY, STALE, answered, fulfilment
from orders.fulfilment import returns_wire as wire

ETAG = "Changes whenever the return changes."
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The `ETag` of the return when you last read it."
)
STALE_RETURN = OpenApiResponse(
    description="`stale-version`: the return has changed since this `If-Match`. Read it again."
)
NOT_FOUND = OpenApiResponse(description="The return does not exist, or belongs to another user.")
WRONG_STATUS = OpenApiResponse(
    description="`illegal-transition`: the return's status does not allow this; `request-in-progress`: another request"
    " with this key is being processed."
)

REQUEST: dict[str, Any] = {
    "operation_id": "returnOrder",
    "tags": ["returns"],
    "summary": "Request the return of some or all of a delivered order",
    "request": wire.NewReturn,
    "parameters": fulfilment(202),
    "responses": {
        202: OpenApiResponse(
            wire.OrderReturn,
            description="`requested`: staff approve or reject it. With the setting RETURNS_AUTO_APPROVE it is"
            " `received` immediately; the refund and the restock follow.",
        ),
        403: OpenApiResponse(description="You may see this order, but not return it."),
        409: CONFLICT,
        412: STALE,
        422: OpenApiResponse(
            description="`not-ordered`; `more-than-shipped`: the customer does not have so many, or has asked to return"
            " them already; or `idempotency-key-reused`."
        ),
    },
}
LIST: dict[str, Any] = {
    "operation_id": "listReturns",
    "tags": ["returns"],
    "summary": "List your returns; staff see all returns",
    "responses": {200: wire.Return},
}
READ: dict[str, Any] = {
    "operation_id": "getReturn",
    "tags": ["returns"],
    "summary": "Get a return",
    "parameters": [IF_NONE_MATCH, answered("ETag", [200, 304], ETAG)],
    "responses": {
        200: wire.Return,
        304: OpenApiResponse(description="Not modified: your copy is current."),
        404: NOT_FOUND,
    },
}


def _step(verb: str, done: str, request: Any, refusals: str = "") -> dict[str, Any]:
    return {
        "operation_id": f"{verb}Return",
        "tags": ["returns"],
        "summary": f"{verb.capitalize()} a return; staff only",
        "request": request,
        "parameters": [
            MAY_HAVE_KEY,
            IF_MATCH,
            answered("ETag", [202], ETAG),
            answered("Idempotency-Replayed", [202], "`true` if this is the stored response to an earlier request."),
        ],
        "responses": {
            202: OpenApiResponse(wire.Return, description=done),
            403: OpenApiResponse(description=f"You can see this return, but you do not have permission to {verb} it."),
            404: NOT_FOUND,
            409: WRONG_STATUS,
            412: STALE_RETURN,
            422: OpenApiResponse(description=f"{refusals}`idempotency-key-reused`."),
        },
    }


APPROVE = _step("approve", "The return is now `approved`: the customer may send the goods.", None)
REJECT = _step("reject", "The return is now `rejected`. The customer is told the reason.", wire.Rejection)
RECEIVE = _step(
    "receive",
    "The return is now `received`. What arrived is refunded, and restocked or written off; then it is `refunded`. If"
    " nothing arrived, it stays `received`, and the customer can request the return again.",
    wire.Receipt,
    "`not-requested`, `more-than-requested`, `unknown-warehouse`, or ",
)
