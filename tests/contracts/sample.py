"""A plausible instance of any event, made from its declaration: no field is left at its default."""

from typing import Any

from msgspec import inspect

from events import Event

ID = "01945b7e-53f0-7000-8000-00000000000{:x}"
TEXTS = {
    "sku": "MUG-RED", "warehouse": "BER", "currency": "EUR", "kind": "confirmation", "reason": "out_of_stock",
    "carrier": "DHL", "trackingNumber": "JD0140",
}  # fmt: skip


def sample(event: type[Event]) -> Any:
    """As it would stand on the wire."""
    return _value(inspect.type_info(event), "", 0)


def _value(kind: inspect.Type, name: str, place: int) -> Any:
    match kind:
        case inspect.StructType():
            return {
                field.encode_name: _value(field.type, field.encode_name, place)
                for place, field in enumerate(kind.fields, start=1)
            }
        case inspect.VarTupleType() | inspect.ListType():
            return [_value(kind.item_type, name, place)]
        case inspect.UnionType():
            return _value(next(one for one in kind.types if not isinstance(one, inspect.NoneType)), name, place)
        case inspect.DictType():
            return {"key": _value(kind.value_type, name, place)}
        case _:
            return _scalar(kind, name, place)


def _scalar(kind: inspect.Type, name: str, place: int) -> Any:
    if isinstance(kind, inspect.EnumType):
        return next(iter(kind.cls)).value
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    scalars: dict[type[inspect.Type], Any] = {
        inspect.UUIDType: ID.format(place % 16),
        inspect.DecimalType: "19.90",
        inspect.StrType: TEXTS.get(name, f"some {name}"),
        inspect.IntType: place,
        inspect.FloatType: place / 2,
        inspect.BoolType: True,
        inspect.DateTimeType: "2026-01-15T10:30:00Z",
        inspect.DateType: "2026-01-15",
    }
    return scalars[type(kind)]
