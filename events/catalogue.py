"""The catalogue of events for people: every type and version, its fields, who emits it and who listens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django.apps import apps

from events import registry
from events.event import Event
from events.queues import Queue
from events.subscribers import Subscriber, listeners

Schema = Mapping[str, Any]

HEAD = """\
# Catalogue of events

Written by `manage.py catalogue` from the declarations; change those, not this page. The names are those on the wire.
A listener *at the relay* is a saga: the relay starts it, and its steps run on the queues named.
"""


def catalogue() -> str:
    """Markdown. Only what installed applications declare, in an order that never changes by itself."""
    events = installed()
    schemas, parts = msgspec.json.schema_components(events, ref_template="{name}")
    names = {_name(schema) for schema in schemas}
    blocks = [
        HEAD,
        _table(("Event", "Version", "Emitted by", "Heard by"), [_summary(event) for event in events]),
        *(_event(event, parts[_name(schema)]) for event, schema in zip(events, schemas, strict=True)),
        "## Parts of events\n",
        *(_part(name, part) for name, part in sorted(parts.items()) if name not in names),
    ]
    return "\n".join(blocks)


def installed() -> list[type[Event]]:
    """What installed applications declare, by type and version."""
    return [event for event in registry.declared() if apps.is_installed(service_of(event))]


def service_of(event: type[Event]) -> str:
    """The application that declares the event, and alone emits it."""
    return event.__module__.partition(".")[0]


def _name(schema: Schema) -> str:
    return str(schema["$ref"])


def listeners_of(event: type[Event]) -> list[Subscriber]:
    """Of installed applications, by name."""
    return [one for one in listeners(event) if _installed(one)]


def _installed(subscriber: Subscriber) -> bool:
    return apps.is_installed(subscriber.name.partition(".")[0])


def _summary(event: type[Event]) -> Sequence[str]:
    heard = ", ".join(f"`{one.name}`" for one in listeners_of(event))
    anchor = f"{event.type}-{event.version}".replace(".", "")
    return f"[{event.type}](#{anchor})", event.version, service_of(event), heard


def _event(event: type[Event], schema: Schema) -> str:
    field = next(one.encode_name for one in msgspec.structs.fields(event) if one.name == event.stream_field)
    lines = [
        f"## {event.type} {event.version}\n",
        f"{_doc(schema)}\n",
        f"Emitted by {service_of(event)}, on the stream `{event.stream_kind}:<{field}>`.\n",
        _fields(schema),
    ]
    heard = listeners_of(event)
    if heard:
        lines.append(_table(("Listener", "Queue", "What it does"), [_listener(one) for one in heard]))
    return "\n".join(lines)


def _listener(one: Subscriber) -> Sequence[str]:
    queues = f"at the relay; {_queues(one.gates)}" if one.at_relay else str(one.queue)
    return f"`{one.name}`", queues, _first_line(one.handler.__doc__ or "")


def _queues(queues: Iterable[Queue]) -> str:
    return ", ".join(sorted(queues))


def _part(name: str, schema: Schema) -> str:
    return "\n".join((f"### {name}\n", f"{_doc(schema)}\n", _fields(schema)))


def _fields(schema: Schema) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (f"`{name}`", _type(field), "" if name in required else f"`{msgspec.json.encode(field['default']).decode()}`")
        for name, field in schema["properties"].items()
    ]
    return _table(("Field", "Type", "Default"), rows)


def _type(field: Schema) -> str:
    if "$ref" in field:
        return _name(field)
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    detail = field.get("format") or field.get("pattern")
    return f"{field.get('type', 'any')} ({detail})" if detail else str(field.get("type", "any"))


def _doc(schema: Schema) -> str:
    return " ".join(str(schema.get("description", "")).split())


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
