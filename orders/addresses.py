"""Shipping addresses as clients send them, and as they are stored and sent back."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from desk.one_line import OneLine

Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", max_length=2, description="ISO 3166-1 alpha-2", examples=["DE"])]
Text = Annotated[OneLine, Meta(max_length=200)]


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A shipping address."""

    name: Text
    line1: Text
    city: Text
    postal_code: Text
    country: Country


class StoredAddress(msgspec.Struct, frozen=True, rename="camel"):
    """A shipping address as it was accepted: perhaps under rules that allowed more than those of today."""

    name: str
    line1: str
    city: str
    postal_code: str
    country: str
