"""Compares records of Debezium with the messages of our own publisher to Kafka, one by one.

Three known things are no differences: the header `ce_dataschema`, which the Outbox Event Router cannot make because it
follows from two columns; a header `traceparent` that is empty instead of left out; and empty arrays in `data`, which
expanding leaves out, because Connect knows no type for their items. The last is counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from bench.debezium.connector import Received
from publishing.engine.records import Record
from publishing.kafka.publisher import message_of
from publishing.kafka.topics import topic_of

NEVER_THERE = {"ce_dataschema"}
NEVER_LEFT_OUT = {"traceparent"}


class Compared:
    """What the comparison found. `differences` has a sentence for each; `shorter` counts what lacks an empty array."""

    def __init__(self, records: Sequence[Record], received: Sequence[Received]) -> None:
        self.records = len(records)
        self.shorter = 0
        first: dict[str, Received] = {}
        for one in received:
            first.setdefault(one.id, one)
        self.repeated = len(received) - len(first)
        expected = {record.event_id: record for record in records}
        self.differences = [f"{id_} is missing" for id_ in expected.keys() - first.keys()]
        self.differences += [f"{id_} is not in the log" for id_ in first.keys() - expected.keys()]
        for id_ in expected.keys() & first.keys():
            self._compare(expected[id_], first[id_])
        self.differences += _disorder(first)

    def _compare(self, record: Record, received: Received) -> None:
        ours, theirs = _ours(record), _theirs(received)
        if ours["value"] != theirs["value"]:
            self.shorter += 1
            ours["value"] = _without_empty_arrays(ours["value"])
        self.differences += [
            f"{record.event_id} ({record.type} {record.version}): {part} is {theirs[part]}, and ours is {ours[part]}"
            for part in ours
            if ours[part] != theirs[part]
        ]


def _ours(record: Record) -> dict[str, Any]:
    key, value, headers = message_of(record)
    return {
        "topic": topic_of(record.kind),
        "key": key.decode(),
        "value": json.loads(value),
        "headers": {name: _text(text) for name, text in headers if name not in NEVER_THERE},
    }


def _theirs(received: Received) -> dict[str, Any]:
    return {
        "topic": received.topic,
        "key": received.key,
        "value": json.loads(received.value),
        "headers": {name: text for name, text in received.headers.items() if text or name not in NEVER_LEFT_OUT},
    }


def _text(header: str | bytes | None) -> str:
    return header.decode() if isinstance(header, bytes) else str(header)


def _without_empty_arrays(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_empty_arrays(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_empty_arrays(one) for name, one in value.items() if one != []}
    return value


def _disorder(first: Mapping[str, Received]) -> list[str]:
    """Where a stream's versions do not come in their order."""
    versions: dict[str, list[int]] = defaultdict(list)
    for one in first.values():
        versions[one.key].append(json.loads(one.value)["streamVersion"])
    return [
        f"{stream}: version {later} comes after {earlier}"
        for stream, found in versions.items()
        for earlier, later in pairwise(found)
        if later < earlier
    ]
