"""Confluent's framing of values: a zero byte, the id of the schema at a schema registry, and the value as it is.

Each type and version has a subject of its own, so that no compatibility rule of the registry refuses an event that is
in the log already. What may change within a type is checked before it is deployed (tests/contracts).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from events.catalogue.envelopes import DIALECT, envelope_schema
from events.declare.codec import encode_json
from events.declare.registry import event_class
from events.errors import UnknownEvent
from publishing.kafka.publisher import Unframed

MAGIC = 0
ANSWER_WITHIN = 3.0
"""Seconds for one step of a request. An unknown schema needs two requests; with the deadline, less than the lease."""
NOT_FOUND = 404


class SchemaRegistry:
    """Knows what stands before the value of each type of event. Asks the registry once for each; ids never change."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=ANSWER_WITHIN)
        self._known: dict[tuple[str, str, str], bytes] = {}

    def frame(self, topic: str, type: str, version: str) -> bytes:
        """Registers the schema if it is not there. Raises Unframed."""
        key = topic, type, version
        if key not in self._known:
            self._known[key] = struct.pack(">BI", MAGIC, self._id(topic, type, version))
        return self._known[key]

    def _id(self, topic: str, type: str, version: str) -> int:
        subject = subject_of(topic, type, version)
        body = {"schemaType": "JSON", "schema": encode_json(schema_of_value(type, version)).decode()}
        path = f"/subjects/{quote(subject, safe='')}"
        found = self._ask(path, body, subject)
        if found.status_code == NOT_FOUND:
            found = self._ask(f"{path}/versions", body, subject)
        if not found.is_success:
            raise Unframed(
                f"The schema registry at {self._host} refuses the schema of {subject} with {found.status_code}:"
                f" {found.text[:200]}. Nothing is published until it takes it."
            )
        try:
            return int(found.json()["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise Unframed(
                f"What answers at {self._host} is no schema registry: {found.text[:200]!r}."
                " See STREAMS_KAFKA_SCHEMA_REGISTRY_URL."
            ) from error

    def _ask(self, path: str, body: Mapping[str, str], subject: str) -> httpx.Response:
        try:
            return self._client.post(path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unframed(
                f"The schema registry at {self._host} cannot be asked for {subject}: {error}."
                " See whether it is up and STREAMS_KAFKA_SCHEMA_REGISTRY_URL is right."
            ) from error

    @property
    def _host(self) -> str:
        """Without the user and the password of the URL."""
        return self._client.base_url.netloc.decode()


def subject_of(topic: str, type: str, version: str) -> str:
    """As Confluent's TopicRecordNameStrategy names it: the title of the schema is `<type>-<version>`."""
    return f"{topic}-{type}-{version}"


def schema_of_value(type: str, version: str) -> dict[str, Any]:
    """The schema of the envelope. Raises Unframed for a type that no code declares."""
    try:
        schema = envelope_schema(event_class(type, version), version)
    except UnknownEvent as error:
        raise Unframed(str(error)) from error
    return {"$schema": DIALECT, "title": f"{type}-{version}", **schema}
