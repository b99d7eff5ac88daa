"""The registry of declared events, by type and version."""

from __future__ import annotations

from events.declare.event import DECLARED, Event
from events.errors import UnknownEvent


def event_class(type: str, version: str) -> type[Event]:
    """The class that decodes this type and version: the exact version, else the newest minor of the same major version.

    Raises UnknownEvent if there is none.
    """
    exact = DECLARED.get((type, version))
    if exact is not None:
        return exact
    major = version.partition(".")[0]
    same = [name for name in DECLARED if name[0] == type and name[1].partition(".")[0] == major]
    if not same:
        raise UnknownEvent(f"no class is declared for {type} {version}: deploy the code that declares it")
    return DECLARED[max(same, key=lambda name: int(name[1].partition(".")[2]))]


def major(version: str) -> int:
    """The major version as a number. Raises ValueError if the text is not a version such as "1.0"."""
    first, dot, second = version.partition(".")
    if not (dot and second.isdecimal()):
        raise ValueError(f"{version!r} is not a version: it must look like '1.0'")
    return int(first)


def newest_of_each() -> list[type[Event]]:
    """The newest class of each type, sorted by type."""
    newest: dict[str, type[Event]] = {}
    for cls in sorted(DECLARED.values(), key=_age):
        newest[cls.type] = cls
    return [newest[type_] for type_ in sorted(newest)]


def _age(cls: type[Event]) -> tuple[int, int]:
    return major(cls.version), int(cls.version.partition(".")[2])


def newest(type: str) -> type[Event] | None:
    """The class that new events of this type have; None for a type that the code no longer declares."""
    of_type = [cls for name, cls in DECLARED.items() if name[0] == type]
    return max(of_type, key=_age, default=None)


def is_declared(cls: object) -> bool:
    """Whether this class object is registered. False for a class that a module reload has replaced."""
    return cls in DECLARED.values()


def declared() -> list[type[Event]]:
    """Every declared event class, sorted by type and version."""
    return [DECLARED[name] for name in sorted(DECLARED)]


def service_of(event: type[Event]) -> str:
    """The application that declares the event, and alone emits it."""
    return event.__module__.partition(".")[0]
