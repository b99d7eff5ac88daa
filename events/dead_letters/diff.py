"""Compares an event's data with the data that a person edited for one delivery."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec

from desk.json_text import pretty
from events.declare.codec import encode
from events.declare.event import Event


def difference(before: Any, after: Any) -> str:
    """A unified diff of both values as JSON; empty if they are equal."""
    old, new = (pretty(data).splitlines() for data in (before, after))
    return "\n".join(difflib.unified_diff(old, new, "before", "after", lineterm=""))


def unknown_fields(event: Event, data: Any) -> list[str]:
    """Paths in `data` that decoding dropped. Decoding ignores unknown fields, but a person's typo must be reported."""
    kept = set(_paths(msgspec.json.decode(encode(event))))
    return sorted({path for path in _paths(data) if path not in kept})


def _paths(data: Any, place: str = "") -> Iterator[str]:
    if isinstance(data, dict):
        for name, value in data.items():
            path = f"{place}.{name}" if place else name
            yield path
            yield from _paths(value, path)
    elif isinstance(data, list):
        for value in data:
            yield from _paths(value, f"{place}[]")
