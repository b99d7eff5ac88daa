"""Data of an event that a person corrected for one delivery."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec

from events.codec import encode
from events.event import Event
from events.timeline import pretty


def difference(before: Any, after: Any) -> str:
    """A unified diff of both as JSON; empty where nothing changed."""
    old, new = (pretty(data).splitlines() for data in (before, after))
    return "\n".join(difflib.unified_diff(old, new, "before", "after", lineterm=""))


def unknown_fields(event: Event, data: Any) -> list[str]:
    """What decoding left out. Old code must take new fields, a person's misspelt one must not get lost."""
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
