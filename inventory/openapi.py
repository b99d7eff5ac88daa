"""What the API's description says of products and stock, beside the types."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from inventory import serializers as wire

STAFF = {403: OpenApiResponse(description="You are not of the staff, or lack the permission.")}
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The `ETag` that was read last.")
IF_NONE_MATCH = OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` at hand.")
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="New for each adjustment. The same key and body again get the first answer, and adjust nothing.",
)


def _answered(name: str, status: int, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, response=[status], description=description)


def _etag(status: int) -> OpenApiParameter:
    return _answered("ETag", status, "Changes with the product and with its stock.")


LIST: dict[str, Any] = {
    "operation_id": "listProducts",
    "tags": ["products"],
    "auth": [],
    "summary": "What is for sale",
    "responses": {200: wire.Product},
}
READ: dict[str, Any] = {
    "operation_id": "getProduct",
    "tags": ["products"],
    "auth": [],
    "summary": "One product",
    "parameters": [IF_NONE_MATCH, _etag(200)],
    "responses": {
        200: wire.Product,
        304: OpenApiResponse(description="It is what you have."),
        404: OpenApiResponse(description="It is not for sale."),
    },
}
CREATE: dict[str, Any] = {
    "operation_id": "createProduct",
    "tags": ["products"],
    "summary": "Add a product",
    "request": wire.NewProduct,
    "parameters": [_answered("Location", 201, "Where the product is."), _etag(201)],
    "responses": {201: wire.ProductDetails, **STAFF, 409: OpenApiResponse(description="`conflict`: the SKU is taken.")},
}
CHANGE: dict[str, Any] = {
    "operation_id": "changeProduct",
    "tags": ["products"],
    "summary": "Change a product; orders keep the price of their day",
    "request": wire.ProductChange,
    "parameters": [IF_MATCH, _etag(200)],
    "responses": {
        200: wire.ProductDetails,
        **STAFF,
        412: OpenApiResponse(
            description="`stale-version`: the product or its stock has changed since this `If-Match`."
        ),
    },
}
STOCK: dict[str, Any] = {
    "operation_id": "listStock",
    "tags": ["stock"],
    "summary": "What is where",
    "responses": {200: wire.Stock, **STAFF},
}
ADJUST: dict[str, Any] = {
    "operation_id": "adjustStock",
    "tags": ["stock"],
    "summary": "Correct what is on hand",
    "request": wire.Adjustment,
    "parameters": [
        IDEMPOTENCY_KEY,
        _answered("Idempotency-Replayed", 200, "`true` where this is the answer to an earlier request."),
    ],
    "responses": {
        200: wire.Stock,
        **STAFF,
        409: OpenApiResponse(description="`request-in-progress`: the first request with this key is still worked on."),
        422: OpenApiResponse(
            description="`unknown-product`, `unknown-warehouse`, `below-held`, `too-many`, `idempotency-key-reused`;"
            " `invalid` for a `delta` of 0."
        ),
    },
}
