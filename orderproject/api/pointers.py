"""Converts validation errors to `{"pointer", "detail"}` entries for a problem's `errors`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from desk.one_line import COMPLAINTS, ONE_LINE


class FieldError(msgspec.Struct, frozen=True):
    """One error. `pointer` is a JSON pointer into the body (`#/items/0/sku`) or a query parameter (`?status`)."""

    pointer: str
    detail: str


BODY, QUERY = "#/", "?"

_PLACE = re.compile(r"^(?P<what>.*) - at `\$(?P<path>[^`]*)`$", re.DOTALL)
_FIELD = re.compile(r"^Object (?:contains unknown|missing required) field `(?P<name>.*)`$", re.DOTALL)
_NOT_ONE_LINE = f"Expected `str` matching regex {ONE_LINE!r}"
_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def of_struct(error: msgspec.ValidationError) -> FieldError:
    """Parses msgspec's messages, such as `Expected `int`, got `str` - at `$.items[0].quantity``."""
    text = str(error).replace(_NOT_ONE_LINE, COMPLAINTS.removesuffix("."))
    place = _PLACE.match(text)
    what, path = (place["what"], place["path"]) if place else (text, "")
    parts = [name or index for name, index in _PART.findall(path)]
    if field := _FIELD.match(what):
        parts.append(field["name"])
    return FieldError(pointer(BODY, parts), f"{what.replace('`', '')}.")


def of_detail(detail: Any, root: str) -> list[FieldError]:
    """Flattens Django REST framework's nested errors, such as `{"items": {"0": {"sku": ["…"]}}}`."""
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
