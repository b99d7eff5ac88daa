"""Products and stock on the wire. The OpenAPI schema is made of these."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from events import Money
from events.typed import convert
from events.unprocessable import Unprocessable
from inventory import models

# `(?!\n)`: Python's `$` also matches before a line's end.
NewSku = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)", description="It stands in addresses", examples=["MUG-RED"]
    ),
]
Amount = Annotated[
    str, Meta(pattern=r"^[0-9]{1,10}(\.[0-9]{1,2})?$(?!\n)", description="At most two decimals", examples=["9.90"])
]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3, description="ISO 4217", examples=["EUR"])]
Name = Annotated[str, Meta(min_length=1, max_length=200, examples=["Mug, red"])]
Description = Annotated[str, Meta(max_length=10_000)]
LowStock = Annotated[int, Meta(ge=0, le=2**31 - 1, description="Below this many available, `inventory.low` is told")]
Delta = Annotated[int, Meta(ge=-(10**9), le=10**9, description="How many more; less with a minus", examples=[-3])]
Reason = Annotated[str, Meta(min_length=1, max_length=500, description="For the audit", examples=["broken"])]

CENT = Decimal("0.01")
"""As the column has it."""

encode = msgspec.json.Encoder(decimal_format="string").encode


# --- out -----------------------------------------------------------------------------------------------------


class Product(msgspec.Struct, frozen=True):
    """Something for sale; `available` is what is left of it in all warehouses together."""

    sku: str
    name: str
    price: Money
    available: int

    @classmethod
    def of(cls, product: Any) -> Product:
        """`product` comes from `selectors.products()`, which counts what is available."""
        return cls(product.sku, product.name, product.money, product.available)


class ProductDetails(Product, frozen=True, rename="camel"):
    """A product as staff see it; only an active one is for sale."""

    description: str
    active: bool
    low_stock: int

    @classmethod
    def of(cls, product: Any) -> ProductDetails:
        shown = (product.sku, product.name, product.money, product.available)
        return cls(*shown, product.description, product.active, product.low_stock)


def etag(product: Any) -> str:
    """Changes with all that anybody sees of the product: with its stock too."""
    return f'"{sha256(encode(ProductDetails.of(product))).hexdigest()[:32]}"'


class Stock(msgspec.Struct, frozen=True, rename="camel"):
    """What a warehouse has of a product; what is `held` for orders is not `available`."""

    sku: str
    warehouse: str
    on_hand: int
    held: int
    available: int

    @classmethod
    def of(cls, stock: models.Stock) -> Stock:
        return cls(stock.product_id, stock.warehouse_id, stock.on_hand, stock.held, stock.available)


# --- in ------------------------------------------------------------------------------------------------------


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one piece costs."""

    amount: Amount
    currency: Currency


class _Fields(msgspec.Struct, frozen=True):
    @property
    def fields(self) -> Mapping[str, Any]:
        """Those that were given, by the names of the model."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        given = {name: value for name, value in given.items() if value is not UNSET}
        price = given.pop("price", None)
        if price is None:
            return given
        return given | {"price": Decimal(price.amount).quantize(CENT), "currency": price.currency}


class NewProduct(_Fields, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A product to be sold from now on, unless it is not `active`."""

    sku: NewSku
    name: Name
    price: Price
    description: Description = ""
    active: bool = True
    low_stock: LowStock = 0


class ProductChange(_Fields, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is left out stays as it is."""

    name: Name | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    low_stock: LowStock | UnsetType = UNSET


class Adjustment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So much more, or less, is on hand than was thought."""

    sku: Annotated[str, Meta(min_length=1, max_length=64, examples=["MUG-RED"])]
    warehouse: Annotated[str, Meta(min_length=1, max_length=20, examples=["BER"])]
    delta: Delta
    reason: Reason

    @classmethod
    def of(cls, data: Any) -> Adjustment:
        adjustment = convert(data, cls)
        if adjustment.delta == 0:
            raise Unprocessable({"delta": ["It must not be 0: nothing would be adjusted."]})
        return adjustment
