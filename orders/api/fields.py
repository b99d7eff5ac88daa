"""The types of single values in requests and responses."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from desk.one_line import OneLine
from orders import models

Token = Annotated[
    str,
    Meta(
        pattern="^[!-~]{1,255}$(?!\n)",
        description="The payment processor's token, never card data",
        examples=["tok_visa"],
    ),
]
Email = Annotated[str, Meta(max_length=254, extra_json_schema={"format": "email"}, examples=["a@example.com"])]
Sku = Annotated[str, Meta(min_length=1, max_length=64, examples=["MUG-RED"])]
Quantity = Annotated[int, Meta(ge=1, le=10_000)]
Status = Annotated[str, Meta(extra_json_schema={"enum": models.Status.values})]
PAYMENT_STATUS = ["pending", "authorized", "succeeded", "failed", "voided", "partially_refunded", "refunded"]
PaymentStatus = Annotated[str, Meta(extra_json_schema={"enum": PAYMENT_STATUS})]
RefundStatus = Annotated[str, Meta(extra_json_schema={"enum": models.RefundStatus.values})]
Reason = Annotated[OneLine, Meta(min_length=1, max_length=100, examples=["ordered by mistake"])]
Carrier = Annotated[OneLine, Meta(min_length=1, max_length=100, examples=["DHL"])]
TrackingNumber = Annotated[OneLine, Meta(min_length=1, max_length=100, examples=["JD014600003828"])]
