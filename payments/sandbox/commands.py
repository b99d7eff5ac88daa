"""The sandbox's commands and the validation of their fields."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Currency = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
# A positive decimal without an exponent. No currency has more than four decimals.
Amount = Annotated[str, msgspec.Meta(pattern=r"\A(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,4})?\Z")]


class Malformed(Exception):
    """The request is invalid. Nothing was done, and its idempotency key can be used again."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    kind: ClassVar[str]


class Authorize(Command, frozen=True):
    kind = "authorize"
    token: Text
    amount: Amount
    currency: Currency
    reference: Text


class Capture(Command, frozen=True):
    kind = "capture"
    authorization_id: Text


class VoidAuthorization(Command, frozen=True):
    kind = "void"
    authorization_id: Text


class VoidKey(Command, frozen=True):
    """Void the authorization that was made with this key, even if the authorize call has not arrived yet."""

    kind = "void_key"
    authorization_key: Text


class Refund(Command, frozen=True):
    kind = "refund"
    authorization_id: Text
    amount: Amount
    currency: Currency | None = None


C = TypeVar("C", bound=Command)


def parse(kind: type[C], fields: Mapping[str, Any]) -> C:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from error


def checked_key(key: str | None) -> str:
    if not key or len(key) > 255 or not (key.isascii() and key.isprintable()):
        raise Malformed("Idempotency-Key must be 1 to 255 printable ASCII characters.")
    return key
