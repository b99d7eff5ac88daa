"""Converts lists to PostgreSQL arrays as a whole; psycopg's own dumper converts element by element.

Every batch is sent as one array per column, so this affects every row; decision 36 has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from psycopg import DataError
from psycopg.adapt import PyFormat
from psycopg.types.array import ListDumper


class ArrayDumper(ListDumper):
    """Produces the same text as its parent, but faster for lists of one type in `_WRITERS`, with or without None."""

    def _find_list_element(self, L: list[Any], format: PyFormat) -> Any:  # noqa: N803  psycopg's names
        """The first item. The parent inspects every item, several times per parameter, to find the array's type."""
        if L and type(L[0]) is not int and type(L[0]) in _WRITERS:
            return L[0]
        return super()._find_list_element(L, format)

    def dump(self, obj: list[Any]) -> Any:
        kinds = set(map(type, obj))
        if not (whole := type(None) not in kinds):
            kinds.remove(type(None))
        if len(kinds) != 1 or (write := _WRITERS.get(*kinds)) is None:
            super()._find_list_element(obj, PyFormat.TEXT)  # raises DataError for a mixture
            return super().dump(obj)
        if whole:
            return f"{{{','.join(write(obj))}}}".encode()
        written = iter(write([item for item in obj if item is not None]))
        return f"{{{','.join(['NULL' if item is None else next(written) for item in obj])}}}".encode()


def _uuids(items: Sequence[UUID]) -> list[str]:
    return msgspec.to_builtins(items)  # type: ignore[no-any-return]


def _texts(items: Sequence[str]) -> list[str]:
    whole = "".join(items)
    if "\0" in whole:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    if '"' in whole or "\\" in whole:
        items = [item.replace("\\", "\\\\").replace('"', '\\"') for item in items]
    if _all_the_same(items):
        return [f'"{items[0]}"'] * len(items)
    return [f'"{item}"' for item in items]


def _numbers(items: Sequence[int]) -> list[str]:
    return list(map(str, items))


def _truths(items: Sequence[bool]) -> list[str]:
    return ["t" if item else "f" for item in items]


def _times(items: Sequence[datetime]) -> list[str]:
    if _all_the_same(items):
        return [items[0].isoformat()] * len(items)
    return [item.isoformat() for item in items]


def _all_the_same(items: Sequence[Any]) -> bool:
    """Whether all items are equal, as the time and the event type of a batch often are."""
    return items[0] is items[-1] and items.count(items[0]) == len(items)


def _bytes(items: Sequence[bytes]) -> list[str]:
    return [f'"\\\\x{item.hex()}"' for item in items]


_WRITERS: dict[type, Callable[[Sequence[Any]], list[str]]] = {
    UUID: _uuids,
    str: _texts,
    int: _numbers,
    float: _numbers,
    bool: _truths,
    Decimal: _numbers,
    bytes: _bytes,
    datetime: _times,
}
