"""What an entry within an event is called by: a struct declares it as `headline`, and the rest stands in brackets.

class Goods(msgspec.Struct, frozen=True):
    headline: ClassVar[tuple[str, ...]] = ("quantity", "sku")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

import msgspec

from events.declare.event import Event


@cache
def headlines(event: type[Event]) -> Mapping[str, tuple[str, ...]]:
    """For each field whose entries have a headline: the names in it. All names are those on the wire."""
    return {
        field.encode_name: _on_the_wire(struct)
        for field in msgspec.structs.fields(event)
        for struct in _with_headline(field.type)
    }


def structs_with_headline(event: type[Event]) -> Iterator[Any]:
    for field in msgspec.structs.fields(event):
        yield from _with_headline(field.type)


def _with_headline(kind: Any) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and hasattr(kind, "headline"):
        yield kind
    for inner in get_args(kind):
        yield from _with_headline(inner)


def _on_the_wire(struct: Any) -> tuple[str, ...]:
    names = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
    return tuple(names[name] for name in struct.headline)
