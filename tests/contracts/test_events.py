"""What was once published stays readable and means the same."""

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from events import Event
from events.declare import registry
from events.declare.codec import decode, encode
from events.declare.upcasts import upcasts_from
from tests.contracts import published
from tests.contracts.published import GOLDEN, SCHEMAS, file_of, incompatibilities, name_of, schema_of

PUBLISH = "publish it: python -m tests.contracts"


def named(value: object) -> str:
    return value.stem if isinstance(value, Path) else f"{getattr(value, 'type', value)}"


@pytest.mark.parametrize("folder", [GOLDEN, SCHEMAS], ids=named)
def test_every_event_is_published(folder: Path) -> None:
    missing = [event.type for event in published.declared() if not file_of(folder, event).exists()]
    assert missing == [], PUBLISH


@pytest.mark.parametrize("golden", published.goldens(), ids=named)
def test_a_golden_decodes_and_encodes_to_the_same(golden: Path) -> None:
    type_, version = name_of(golden)
    data = golden.read_text()
    event = decode(type_, version, data)
    again = json.loads(encode(event))
    if event.version == version:
        assert again == json.loads(data), f"{type_} {version} has changed: declare the next version"
    elif not upcasts_from(type_, version):  # an upcaster may take away
        assert again.items() >= json.loads(data).items()


READ_AS_THEY_ARE = [schema for schema in published.schemas() if not upcasts_from(*name_of(schema))]


@pytest.mark.parametrize("schema", READ_AS_THEY_ARE, ids=named)
def test_the_class_that_reads_a_version_is_compatible_with_it(schema: Path) -> None:
    type_, version = name_of(schema)
    reader = registry.event_class(type_, version)
    problems = incompatibilities(json.loads(schema.read_text()), schema_of(reader))
    assert problems == [], f"declare version {int(version.partition('.')[0]) + 1}.0 of {type_} instead"


@pytest.mark.parametrize("event", published.declared(), ids=named)
def test_a_golden_fits_its_schema(event: type[Event]) -> None:
    data, schema = (json.loads(file_of(folder, event).read_text()) for folder in (GOLDEN, SCHEMAS))
    jsonschema.Draft202012Validator(schema).validate(data)
    assert data.keys() == schema["properties"].keys()
