"""The JSON types of products and stock. The OpenAPI schema is generated from these."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from desk.one_line import OneLine
from events import Money
from events.declare.money import BadMoney, SentMoney
from inventory import models, rules
from web.typed import convert
from web.unprocessable import Unprocessable

# `(?!\n)`: Python's `$` also matches before a trailing newline.
NewSku = Annotated[
    str,
    Meta(pattern=rf"^{rules.SKU}$(?!\n)", description="It is part of URLs", examples=["MUG-RED"]),
]
Name = Annotated[OneLine, Meta(min_length=1, max_length=200, examples=["Mug, red"])]
Description = Annotated[str, Meta(max_length=rules.MAX_DESCRIPTION)]
LowStock = Annotated[int, Meta(ge=0, le=2**31 - 1, description="`inventory.low` is emitted when fewer are available")]
Delta = Annotated[int, Meta(ge=-(10**9), le=10**9, description="Pieces to add; negative to remove", examples=[-3])]
Reason = Annotated[
    OneLine, Meta(min_length=1, max_length=rules.MAX_REASON, description="For the audit", examples=["broken"])
]

encode = msgspec.json.Encoder(decimal_format="string").encode


# --- out -----------------------------------------------------------------------------------------------------


class Product(msgspec.Struct, frozen=True):
    """A product. `available` is the quantity in all warehouses together that is not held.

    Only staff get `active`: they also see products that are not for sale.
    """

    sku: str
    name: str
    price: Money
    available: int
    active: bool | UnsetType = UNSET

    @classmethod
    def of(cls, product: Any, *, staff: bool = False) -> Product:
        """`product` must come from `selectors.products()`, which annotates `available`."""
        active = product.active if staff else UNSET
        return cls(product.sku, product.name, product.money, product.available, active)


class ProductDetails(msgspec.Struct, frozen=True, rename="camel"):
    """A product with all that staff can change. Only active products are for sale."""

    sku: str
    name: str
    price: Money
    available: int
    description: str
    active: bool
    low_stock: int

    @classmethod
    def of(cls, product: Any) -> ProductDetails:
        shown = (product.sku, product.name, product.money, product.available)
        return cls(*shown, product.description, product.active, product.low_stock)


def etag(product: Any) -> str:
    """An ETag that changes whenever the product or its stock changes."""
    return f'"{sha256(encode(ProductDetails.of(product))).hexdigest()[:32]}"'


class Stock(msgspec.Struct, frozen=True, rename="camel"):
    """The stock of a product in a warehouse. Stock that is `held` for orders is not `available`."""

    sku: str
    warehouse: str
    on_hand: int
    held: int
    available: int

    @classmethod
    def of(cls, stock: models.Stock) -> Stock:
        return cls(stock.product_id, stock.warehouse_id, stock.on_hand, stock.held, stock.available)


# --- in ------------------------------------------------------------------------------------------------------


class _Fields(msgspec.Struct, frozen=True):
    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields that the client sent, by the names of the model fields. Raises Unprocessable for a bad price."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        given = {name: value for name, value in given.items() if value is not UNSET}
        sent = given.pop("price", None)
        if sent is None:
            return given
        try:
            price = sent.money
        except BadMoney as bad:
            raise Unprocessable({"price": {bad.field: [str(bad)]}}) from bad
        return given | {"price": price.amount, "currency": price.currency}


class NewProduct(_Fields, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A product to create. It is for sale immediately if it is `active`."""

    sku: NewSku
    name: Name
    price: SentMoney
    description: Description = ""
    active: bool = True
    low_stock: LowStock = 0


class ProductChange(_Fields, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Changes of a product. Omitted fields keep their values."""

    name: Name | UnsetType = UNSET
    price: SentMoney | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    low_stock: LowStock | UnsetType = UNSET


class Adjustment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A correction of the quantity on hand by `delta` pieces."""

    sku: Annotated[str, Meta(min_length=1, max_length=64, examples=["MUG-RED"])]
    warehouse: Annotated[str, Meta(min_length=1, max_length=20, examples=["BER"])]
    delta: Delta
    reason: Reason

    @classmethod
    def of(cls, data: Any) -> Adjustment:
        adjustment = convert(data, cls)
        if adjustment.delta == 0:
            raise Unprocessable({"delta": ["The delta must not be 0."]})
        return adjustment
