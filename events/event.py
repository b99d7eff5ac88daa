"""Declaring events: `class OrderCreated(Event, type="order.created", version="1.0", stream="order_id")`."""

import re
from typing import Any, ClassVar, dataclass_transform

import msgspec

from events import registry
from events.errors import DeclarationError

TYPE = re.compile(r"^[a-z][a-z_]*(\.[a-z][a-z_]*)+$")
VERSION = re.compile(r"^\d+\.\d+$")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class EventMeta(msgspec.StructMeta):
    """Turns the class keywords into the event's wire name, and registers it once."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        type: str = "",
        version: str = "",
        stream: str = "",
    ) -> "EventMeta":
        cls: Any = super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True, rename="camel")
        if namespace.get("__abstract__"):
            return cls  # type: ignore[no-any-return]
        place = f"{namespace['__module__']}.{name}"
        if not TYPE.match(type):
            raise DeclarationError(f'{place}: type={type!r} must look like "order.created"')
        if not VERSION.match(version):
            raise DeclarationError(f'{place}: version={version!r} must look like "1.0"')
        if stream not in cls.__struct_fields__:
            raise DeclarationError(f"{place}: stream={stream!r} must name one of its fields {cls.__struct_fields__}")
        taken = {"type", "version", "stream", "stream_field", "stream_kind", "subject"} & set(cls.__struct_fields__)
        if taken:
            raise DeclarationError(f"{place}: {', '.join(sorted(taken))} cannot be a field: every event has it already")
        cls.type, cls.version, cls.stream_field = type, version, stream
        cls.stream_kind = type.partition(".")[0]
        registry.register(cls)
        return cls  # type: ignore[no-any-return]


class Event(msgspec.Struct, metaclass=EventMeta):
    """A fact in the past tense: frozen, typed, validated; camelCase on the wire.

    `type` and `version` name it for ever, whatever becomes of the class; `stream` names the field that
    holds the id of the aggregate it is about.
    """

    __abstract__: ClassVar[bool] = True
    type: ClassVar[str]
    version: ClassVar[str]
    stream_field: ClassVar[str]
    stream_kind: ClassVar[str]

    @property
    def subject(self) -> str:
        """The id of the aggregate that this event is about."""
        return str(getattr(self, self.stream_field))

    @property
    def stream(self) -> str:
        """The log's stream, `order:<id>`."""
        return f"{self.stream_kind}:{self.subject}"
