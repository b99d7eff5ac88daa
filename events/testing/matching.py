"""Expected events beside recorded ones, and a difference that a person can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from events.declare.event import Event


@dataclass(frozen=True)
class Like:
    """An event of this class with these values; its other fields may be anything. Made by `like`."""

    event: type[Event]
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return _told(self.event.type, self.fields)


def like(event: type[Event], /, **fields: Any) -> Like:
    """Expects an event of this class with these values. Raises TypeError for a field that it does not have."""
    unknown = sorted(fields.keys() - set(event.__struct_fields__))
    if unknown:
        raise TypeError(
            f"{event.__name__} has no field {', '.join(unknown)}: use one of {', '.join(event.__struct_fields__)}"
        )
    return Like(event, fields)


Expected = type[Event] | Event | Like
"""A class: any event of it. An event: one that equals it. `like(…)`: one with these values."""


def unlike(expected: Sequence[Expected], recorded: Sequence[Event], *, in_any_order: bool = False) -> str:
    """The difference, a line for each event; empty if there is none."""
    wanted = [one if isinstance(one, Like) else _as_like(one) for one in expected]
    if in_any_order:
        recorded = _in_order_of(wanted, recorded)
    lines = list(_compared(wanted, recorded))
    return "" if all(line.startswith("    ") for line in lines) else "\n".join(lines)


def told(event: Event) -> str:
    """The event in one line."""
    return str(_as_like(event))


def _as_like(expected: type[Event] | Event) -> Like:
    if isinstance(expected, type):
        return Like(expected, {})
    return Like(type(expected), _fields(expected))


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def _told(type_: str, fields: Mapping[str, Any]) -> str:
    return f"{type_}({', '.join(f'{name}={value!r}' for name, value in fields.items())})" if fields else type_


def _in_order_of(wanted: Sequence[Like], recorded: Sequence[Event]) -> list[Event]:
    """What matches takes the place of what it matches; what only has its type takes a place that is left."""
    rest = list(recorded)
    placed: dict[int, Event] = {}
    for fits in (_is_like, _is_of_type):
        for place, one in enumerate(wanted):
            match = None if place in placed else next((event for event in rest if fits(one, event)), None)
            if match is not None:
                placed[place] = match
                rest.remove(match)
    return [placed[place] for place in sorted(placed)] + rest


def _is_of_type(wanted: Like, event: Event) -> bool:
    return wanted.event.type == event.type


def _is_like(wanted: Like, event: Event) -> bool:
    return _is_of_type(wanted, event) and not _wrong_fields(wanted, event)


def _compared(wanted: Sequence[Like], recorded: Sequence[Event]) -> Iterator[str]:
    types = SequenceMatcher(None, [one.event.type for one in wanted], [one.type for one in recorded], autojunk=False)
    for same, first, last, begin, end in types.get_opcodes():
        if same == "equal":
            yield from (_beside(*pair) for pair in zip(wanted[first:last], recorded[begin:end], strict=True))
        else:
            yield from (f"  - {one}  (expected, not recorded)" for one in wanted[first:last])
            yield from (f"  + {told(one)}  (recorded, not expected)" for one in recorded[begin:end])


def _beside(wanted: Like, event: Event) -> str:
    wrong = _wrong_fields(wanted, event)
    return f"  ! {event.type}: {'; '.join(wrong)}" if wrong else f"    {event.type}"


def _wrong_fields(wanted: Like, event: Event) -> list[str]:
    return [
        f"{name} is {getattr(event, name)!r}, expected {value!r}"
        for name, value in wanted.fields.items()
        if getattr(event, name) != value
    ]
