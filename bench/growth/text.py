"""Lines for COPY in its text format, in which what differs from order to order stays open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID


class Open(str):
    """Text that goes into a line as it is: it holds names to be filled in with `%`, and no other `%`."""

    __slots__ = ()


ORDER, CUSTOMER, MAIL = UUID(int=1), UUID(int=2), UUID(int=3)
AUTHORIZATION, NUMBER = "@authorization@", "@number@"
"""What stands for something of each order wherever text is made of it."""
ID = "%(time)s-7{0:03x}-%(tail)s"
"""A UUID of version 7 at the order's time; the number tells those of one order apart, and keeps them in order."""
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
    """So many tenths into the second in which the order was placed, and some thousandths."""
    return Open(f"%(second)s.{tenth}%(thousandths)s+00")


PLACED, CONFIRMED, SENT = moment(1), moment(6), moment(7)


def event_id(place: int) -> Open:
    """Of the order's events, counted from 0."""
    return Open(ID.format(place + 1))


def position(place: int) -> Open:
    """In the log."""
    return Open(f"%(position{place})s")


def as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def line(row: Iterable[Any]) -> str:
    """With a tab between values and a newline at the end; filled in with `%`."""
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
