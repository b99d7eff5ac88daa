"""Declares events of other systems: `class ParcelDelivered(ForeignEvent, …, source="carrier")`.

A foreign event is received from a broker, appended to the log once for each id of its source, and delivered to
subscribers as any other event. It is not published again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from events.declare.event import Event, EventMeta
from events.declare.registry import declared, newest, service_of
from events.errors import DeclarationError

SOURCE = re.compile(r"^[a-z][a-z0-9_]{0,59}$")


class ForeignMeta(EventMeta):
    """Validates `source` and `foreign_type`; the rest is declared as for any event."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        source: str = "",
        foreign_type: str = "",
        **own: Any,
    ) -> ForeignMeta:
        if not namespace.get("__abstract__") and not SOURCE.match(source):
            place = f"{namespace['__module__']}.{name}"
            raise DeclarationError(f'{place}: source={source!r} must be lower-case letters, such as "carrier"')
        cls: Any = super().__new__(mcls, name, bases, namespace, **own)
        if not namespace.get("__abstract__"):
            cls.origin, cls.foreign_type = source, foreign_type or cls.type
        return cls  # type: ignore[no-any-return]


class ForeignEvent(Event, metaclass=ForeignMeta):
    """Base class of events that another system emits.

    `type`, `version` and `stream` say how the log names it, as for any event. `source` names the system, as
    INBOX_KAFKA_TOPICS and INBOX_RABBITMQ_QUEUES do; `foreign_type` is the type in the system's own words, if it is
    another one. Declare only the fields that are needed: the rest of the data is not stored.
    """

    __abstract__: ClassVar[bool] = True
    foreign_type: ClassVar[str]


class Message(msgspec.Struct, frozen=True):
    """A message as its broker delivered it."""

    body: bytes
    headers: Mapping[str, str] = {}
    content_type: str = ""
    key: str = ""
    """Of a Kafka record; of a RabbitMQ message, its routing key."""


class Translated(msgspec.Struct, frozen=True):
    """What a message says that is not a CloudEvent. `id` must be the same whenever the message comes again."""

    id: str
    type: str
    """As `foreign_type` of the declared event."""
    data: Any
    """The fields of the event, as they are named on the wire."""


Translate = Callable[[Message], Translated | None]
F = TypeVar("F", bound=Translate)

_translators: dict[str, Translate] = {}


def translates(source: str) -> Callable[[F], F]:
    """The decorated function reads messages of this source that are not CloudEvents.

    It returns None for a message that is not an event, which is skipped. Whatever it raises makes the message
    unreadable: it is kept, and a person sees the error.
    """

    def declare(translate: F) -> F:
        known = _translators.get(source)
        if known is not None and known.__module__ != translate.__module__:
            raise DeclarationError(f"{translate.__module__}: messages of {source!r} are read by {known.__module__}")
        _translators[source] = translate
        return translate

    return declare


def translator(source: str) -> Translate | None:
    return _translators.get(source)


def foreign_event(source: str, foreign_type: str) -> type[ForeignEvent] | None:
    """The newest class that is declared for this type of this source."""
    found = [one for one in foreign_events() if (one.origin, one.foreign_type) == (source, foreign_type)]
    return found[-1] if found else None


def foreign_events() -> list[type[ForeignEvent]]:
    """The newest class of each type of foreign events, sorted by type."""
    return [one for one in declared() if issubclass(one, ForeignEvent) and newest(one.type) is one]


def emitter_of(event: type[Event]) -> str:
    """The application that emits the event; of a foreign event, the name of the other system."""
    return event.origin if issubclass(event, ForeignEvent) else service_of(event)
