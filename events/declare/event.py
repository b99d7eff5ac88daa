"""Declares events: `class OrderCreated(Event, type="order.created", version="1.0", stream="order_id")`."""

import re
from enum import StrEnum
from typing import Any, ClassVar, dataclass_transform

import msgspec

from events.errors import DeclarationError

TYPE = re.compile(r"^[a-z][a-z_]*(\.[a-z][a-z_]*)+$")
VERSION = re.compile(r"^\d+\.\d+$")
OF_EVERY_EVENT = {"type", "version", "stream", "stream_field", "stream_kind", "subject", "tone", "personal", "origin"}


class Tone(StrEnum):
    """Whether an event is good news for people: the timeline colours it so. It never travels."""

    GOOD = "good"
    NEUTRAL = "neutral"
    BAD = "bad"


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class EventMeta(msgspec.StructMeta):
    """Validates the class keywords, sets them as class attributes and registers the event."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        type: str = "",
        version: str = "",
        stream: str = "",
        tone: Tone = Tone.NEUTRAL,
        personal: tuple[str, ...] = (),
    ) -> "EventMeta":
        cls: Any = super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True, rename="camel")
        if namespace.get("__abstract__"):
            return cls  # type: ignore[no-any-return]
        place = f"{namespace['__module__']}.{name}"
        if not TYPE.match(type):
            raise DeclarationError(f'{place}: type={type!r} must look like "book.lent"')
        if not VERSION.match(version):
            raise DeclarationError(f'{place}: version={version!r} must look like "1.0"')
        if stream not in cls.__struct_fields__:
            raise DeclarationError(f"{place}: stream={stream!r} must name one of its fields {cls.__struct_fields__}")
        taken = OF_EVERY_EVENT & set(cls.__struct_fields__)
        if taken:
            raise DeclarationError(f"{place}: {', '.join(sorted(taken))} cannot be a field: every event has it already")
        unknown = set(personal) - set(cls.__struct_fields__)
        if unknown:
            raise DeclarationError(f"{place}: personal={personal!r} must name its fields {cls.__struct_fields__}")
        cls.type, cls.version, cls.stream_field = type, version, stream
        cls.stream_kind, cls.tone = type.partition(".")[0], tone
        cls.origin = f"{cls.stream_kind}-service"
        cls.personal = tuple(field.encode_name for field in msgspec.structs.fields(cls) if field.name in personal)
        _register(cls)
        return cls  # type: ignore[no-any-return]


class Event(msgspec.Struct, metaclass=EventMeta):
    """Base class of events: an immutable, validated fact in the past tense; camelCase on the wire.

    `type` and `version` name it permanently, also when the class is renamed or moved; `stream` names the field that
    holds the id of the aggregate it is about. `tone` says whether it is good or bad news. `personal` names the fields
    with text that people wrote: it is erased when the person whom it is about is forgotten.
    """

    __abstract__: ClassVar[bool] = True
    type: ClassVar[str]
    version: ClassVar[str]
    stream_field: ClassVar[str]
    stream_kind: ClassVar[str]
    tone: ClassVar[Tone]
    personal: ClassVar[tuple[str, ...]]
    """As they are named on the wire."""
    origin: ClassVar[str]
    """Who emits it, as the wire format names it: `loan-service` for `loan:<id>`."""

    @property
    def subject(self) -> str:
        """The aggregate's id."""
        return str(getattr(self, self.stream_field))

    @property
    def stream(self) -> str:
        """The name of the event's stream, such as `order:<id>`."""
        return f"{self.stream_kind}:{self.subject}"


DECLARED: dict[tuple[str, str], type[Event]] = {}
"""Every declared event by type and version; read it through `events.declare.registry`."""


def _register(cls: type[Event]) -> None:
    """Raises DeclarationError for a second class of the same type and version."""
    name = (cls.type, cls.version)
    known = DECLARED.get(name)
    if known is not None and _place(known) != _place(cls):
        raise DeclarationError(f"{_place(cls)}: {cls.type} {cls.version} is already declared by {_place(known)}")
    DECLARED[name] = cls


def _place(cls: type[Event]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
