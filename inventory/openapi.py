"""The OpenAPI descriptions of the product and stock endpoints. The schemas come from `inventory.serializers`."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from inventory import serializers as wire

STAFF = {403: OpenApiResponse(description="You are not staff, or you do not have the permission.")}
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The `ETag` of your last read.")
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` of your cached copy."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="Use a new key for each adjustment. A retry with the same key and body adjusts nothing and gets the"
    " first response.",
)


def _answered(name: str, status: int, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, response=[status], description=description)


def _etag(status: int) -> OpenApiParameter:
    return _answered("ETag", status, "Changes whenever the product or its stock changes.")


LIST: dict[str, Any] = {
    "operation_id": "listProducts",
    "tags": ["products"],
    "auth": [],
    "summary": "List the products for sale; for staff, all products",
    "responses": {200: wire.Product},
}
READ: dict[str, Any] = {
    "operation_id": "getProduct",
    "tags": ["products"],
    "auth": [],
    "summary": "Get a product",
    "parameters": [IF_NONE_MATCH, _etag(200)],
    "responses": {
        200: wire.Product,
        304: OpenApiResponse(description="Not modified: your copy is current."),
        404: OpenApiResponse(description="There is no such product, or it is not for sale."),
    },
}
CREATE: dict[str, Any] = {
    "operation_id": "createProduct",
    "tags": ["products"],
    "summary": "Add a product",
    "request": wire.NewProduct,
    "parameters": [_answered("Location", 201, "The URL of the product."), _etag(201)],
    "responses": {201: wire.ProductDetails, **STAFF, 409: OpenApiResponse(description="`conflict`: the SKU exists.")},
}
CHANGE: dict[str, Any] = {
    "operation_id": "changeProduct",
    "tags": ["products"],
    "summary": "Change a product; existing orders keep their price",
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
    "summary": "List stock by product and warehouse",
    "responses": {200: wire.Stock, **STAFF},
}
ADJUST: dict[str, Any] = {
    "operation_id": "adjustStock",
    "tags": ["stock"],
    "summary": "Correct the quantity on hand",
    "request": wire.Adjustment,
    "parameters": [
        IDEMPOTENCY_KEY,
        _answered("Idempotency-Replayed", 200, "`true` if this is the stored response to an earlier request."),
    ],
    "responses": {
        200: wire.Stock,
        **STAFF,
        409: OpenApiResponse(description="`request-in-progress`: another request with this key is being processed."),
        422: OpenApiResponse(
            description="`unknown-product`, `unknown-warehouse`, `below-held`, `too-many`, `idempotency-key-reused`;"
            " `invalid` for a `delta` of 0."
        ),
    },
}
