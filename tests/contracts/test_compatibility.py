"""Which change of an event a minor version may make."""

import msgspec
import pytest

from tests.contracts.published import incompatibilities, schema_of


class Line(msgspec.Struct, rename="camel"):
    sku: str
    unit_price: int


class Before(msgspec.Struct, rename="camel"):
    order_id: str
    lines: tuple[Line, ...]
    note: str = ""


class Longer(Before):
    """With a default."""

    gift: bool = False


class Demanding(msgspec.Struct, rename="camel"):
    order_id: str
    lines: tuple[Line, ...]
    gift: bool
    note: str = ""


class Strict(msgspec.Struct, rename="camel"):
    order_id: str
    lines: tuple[Line, ...]
    note: str


class Renamed(msgspec.Struct, rename="camel"):
    order: str
    lines: tuple[Line, ...]
    note: str = ""


class Retyped(msgspec.Struct, rename="camel"):
    order_id: int
    lines: tuple[Line, ...]
    note: str = ""


class Dearer(msgspec.Struct, rename="camel"):
    sku: str
    unit_price: str


class Within(msgspec.Struct, rename="camel"):
    """A line has changed, and so has its event."""

    order_id: str
    lines: tuple[Dearer, ...]
    note: str = ""


@pytest.mark.parametrize(
    ("after", "problems"),
    [
        (Before, []),
        (Longer, []),
        (Demanding, ["gift has no default"]),
        (Strict, ["note has no default"]),
        (Renamed, ["order has no default", "orderId is gone"]),
        (Retyped, ["orderId has another type"]),
        (Within, ["lines.[].unitPrice has another type"]),
    ],
)
def test_a_minor_version_only_adds_fields_with_defaults(after: type[msgspec.Struct], problems: list[str]) -> None:
    assert incompatibilities(schema_of(Before), schema_of(after)) == problems
