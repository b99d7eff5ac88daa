"""Which events exist. Filled by the declarations themselves, read by codec, checks and catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from events.errors import DeclarationError, UnknownEvent

if TYPE_CHECKING:
    from events.event import Event

_events: dict[tuple[str, str], type[Event]] = {}


def register(cls: type[Event]) -> None:
    """Refuses a second class of the same type and version."""
    name = (cls.type, cls.version)
    known = _events.get(name)
    if known is not None and _place(known) != _place(cls):
        raise DeclarationError(f"{_place(cls)}: {cls.type} {cls.version} is already declared by {_place(known)}")
    _events[name] = cls


def _place(cls: type[Event]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def event_class(type: str, version: str) -> type[Event]:
    """The class that decodes this type: the newest minor version of the same major one.

    Raises UnknownEvent.
    """
    exact = _events.get((type, version))
    if exact is not None:
        return exact
    major = version.partition(".")[0]
    same = [name for name in _events if name[0] == type and name[1].partition(".")[0] == major]
    if not same:
        raise UnknownEvent(f"no class is declared for {type} {version}")
    return _events[max(same, key=lambda name: int(name[1].partition(".")[2]))]


def major(version: str) -> int:
    """Raises ValueError for a text that is no version."""
    first, dot, second = version.partition(".")
    if not (dot and second.isdecimal()):
        raise ValueError(f"{version!r} is no version")
    return int(first)


def newest_of_each() -> list[type[Event]]:
    """Of each type the class that new events have, by type."""
    newest: dict[str, type[Event]] = {}
    for cls in sorted(_events.values(), key=_age):
        newest[cls.type] = cls
    return [newest[type_] for type_ in sorted(newest)]


def _age(cls: type[Event]) -> tuple[int, int]:
    return major(cls.version), int(cls.version.partition(".")[2])


def is_declared(cls: object) -> bool:
    """Whether this very class is the one registered under its type and version."""
    return cls in _events.values()


def declared() -> list[type[Event]]:
    """Every declared event, by type and version."""
    return [_events[name] for name in sorted(_events)]
