"""Lines in COPY's text format, with placeholders for the values that differ from order to order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID


class Open(str):
    """Text that is written without escaping. It contains `%` placeholders and no other `%`."""

    __slots__ = ()


ORDER, CUSTOMER, MAIL = UUID(int=1), UUID(int=2), UUID(int=3)
AUTHORIZATION, NUMBER = "@authorization@", "@number@"
"""Values that the templates use in place of real values, and their placeholders."""
ID = "%(time)s-7{0:03x}-%(tail)s"
"""A UUID of version 7 with the order's time. The number makes the ids of one order unique and sorts them."""
RUN, CORRELATION = Open(ID.format(0x010)), Open(ID.format(0x011))
LEASE = Open(ID.format(0x012))
TRACE = Open("00-%(mixed)s%(mixed)s-%(mixed)s-01")
STANDING_FOR = {
    str(ORDER): ID.format(0),
    str(CUSTOMER): "%(customer)s",
    str(MAIL): ID.format(0x013),
    AUTHORIZATION: "auth_" + ID.format(0x014),
    NUMBER: "%(number)s",
}


def moment(tenth: int) -> Open:
    """A time in the second in which the order was placed, `tenth` tenths of a second in."""
    return Open(f"%(second)s.{tenth}%(thousandths)s+00")


PLACED, CONFIRMED, SENT = moment(1), moment(6), moment(7)


def event_id(place: int) -> Open:
    """The id of the order's event number `place`, counted from 0."""
    return Open(ID.format(place + 1))


def position(place: int) -> Open:
    """The position of the order's event number `place` in the log."""
    return Open(f"%(position{place})s")


def as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def line(row: Iterable[Any]) -> str:
    """A line of COPY with tabs between the values, for filling in with `%`."""
    return "\t".join(_written(value) for value in row) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, Open):
        return value
    text = ("f", "t")[value] if isinstance(value, bool) else str(value)
    for character, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("%", "%%")):
        text = text.replace(character, escaped)
    for standing, name in STANDING_FOR.items():
        text = text.replace(standing, name)
    return text
