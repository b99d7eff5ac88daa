"""Where in the request an error is, as `{"pointer", "detail"}` for a problem's `errors`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """`pointer` is a JSON pointer into the body, `#/items/0/sku`, or names a query parameter, `?status`."""

    pointer: str
    detail: str


BODY, QUERY = "#/", "?"

_PLACE = re.compile(r"^(?P<what>.*) - at `\$(?P<path>[^`]*)`$", re.DOTALL)
_FIELD = re.compile(r"^Object (?:contains unknown|missing required) field `(?P<name>.*)`$", re.DOTALL)
_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def of_struct(error: msgspec.ValidationError) -> FieldError:
    """msgspec says where in its own notation: `Expected `int`, got `str` - at `$.items[0].quantity``."""
    text = str(error)
    place = _PLACE.match(text)
    what, path = (place["what"], place["path"]) if place else (text, "")
    parts = [name or index for name, index in _PART.findall(path)]
    if field := _FIELD.match(what):
        parts.append(field["name"])
    return FieldError(pointer(BODY, parts), f"{what.replace('`', '')}.")


def of_detail(detail: Any, root: str) -> list[FieldError]:
    """Django REST framework says where by nesting: `{"items": {"0": {"sku": ["…"]}}}`."""
    return [FieldError(pointer(root, path), text) for path, text in _leaves(detail, ())]


def _leaves(detail: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _leaves(inner, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _leaves(inner, path if isinstance(inner, str) else (*path, str(index)))
    else:
        yield path, str(detail)


def pointer(root: str, parts: list[str] | tuple[str, ...]) -> str:
    if not parts:
        return root.rstrip("/")
    return root + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)
