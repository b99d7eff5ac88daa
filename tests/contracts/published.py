"""What has been published of every event: a golden JSON and a JSON Schema per type and version."""

import json
from pathlib import Path
from typing import Any

import msgspec
from django.apps import apps

from events import Event
from events.declare import registry
from events.declare.codec import decode, encode
from events.declare.registry import service_of
from tests.contracts.sample import sample

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
SCHEMAS = HERE / "schemas"


def declared() -> list[type[Event]]:
    """By the project; a test may have declared events of its own."""
    return [event for event in registry.declared() if apps.is_installed(service_of(event))]


def file_of(folder: Path, event: type[Event]) -> Path:
    return folder / f"{event.type}-{event.version}.json"


def name_of(file: Path) -> tuple[str, str]:
    """Type and version."""
    type_, _, version = file.stem.rpartition("-")
    return type_, version


def goldens() -> list[Path]:
    return sorted(GOLDEN.glob("*.json"))


def schemas() -> list[Path]:
    return sorted(SCHEMAS.glob("*.json"))


def schema_of(struct: type[msgspec.Struct]) -> Any:
    """Flat: every reference is replaced by what it refers to, and the prose is left out."""
    (schema,), parts = msgspec.json.schema_components([struct], ref_template="{name}")
    return _flat(schema, parts)


def _flat(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_flat(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _flat(parts[schema["$ref"]], parts)
    if "properties" in schema:
        properties = {name: _flat(field, parts) for name, field in schema["properties"].items()}
        return {"type": "object", "properties": properties, "required": schema.get("required", [])}
    return {key: _flat(value, parts) for key, value in schema.items() if key not in {"title", "description"}}


def incompatibilities(old: Any, new: Any, place: str = "") -> list[str]:
    """Why data of the old schema, or readers of it, would not fit the new one. A minor version only adds fields
    with defaults.
    """
    if not {"properties"} <= old.keys() & new.keys():
        return _other(old, new, place)
    problems = [f"{place}{name} is gone" for name in old["properties"].keys() - new["properties"].keys()]
    for name, field in new["properties"].items():
        if name in old["properties"]:
            problems += incompatibilities(old["properties"][name], field, f"{place}{name}.")
        if name in new["required"] and name not in old["required"]:
            problems.append(f"{place}{name} has no default")
    return sorted(problems)


def _other(old: Any, new: Any, place: str) -> list[str]:
    if old.get("type") == new.get("type") == "array":
        return incompatibilities(old.get("items", {}), new.get("items", {}), f"{place}[].")
    without_default = [{key: value for key, value in schema.items() if key != "default"} for schema in (old, new)]
    return [] if without_default[0] == without_default[1] else [f"{place.rstrip('.')} has another type"]


def publish() -> list[Path]:
    """Writes what is missing and never touches what is there; returns the files written."""
    written = []
    for event in declared():
        for folder, content in ((GOLDEN, golden_of(event)), (SCHEMAS, schema_of(event))):
            file = file_of(folder, event)
            if not file.exists():
                file.write_text(json.dumps(content, indent=2) + "\n")
                written.append(file)
    return written


def golden_of(event: type[Event]) -> Any:
    """The `data` of a real instance, as it was encoded."""
    return json.loads(encode(decode(event.type, event.version, json.dumps(sample(event)))))
