"""What the log holds for the comparison: whole orders by the services, and every event that was ever declared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from random import Random
from typing import Any
from uuid import uuid4

from django.db import connection
from django.utils.timezone import now

from bench.steps import Meter, perform_all, placed
from events.models import StoredEvent
from tests.contracts.published import GOLDEN, SCHEMAS, goldens, name_of
from tests.publishing import orders, recorded

WRITERS = 4
COHORT = 25
TEXTS = ('"quoted" \\ and \n new', "naïve — 注文 🧾 \u2028", "", "x" * 20_000)
"""What people write as a reason."""


def whole_orders(count: int) -> None:
    """Orders that are placed, paid and confirmed, by several writers at the same time."""
    each = count // WRITERS
    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(_some_orders, each, seed) for seed in range(WRITERS)]:
            done.result()


def _some_orders(count: int, seed: int) -> None:
    chance = Random(seed)
    with closing(connection):
        for first in range(0, count, COHORT):
            perform_all(placed(min(COHORT, count - first), chance), Meter(None))


def everything_declared() -> None:
    """One event of each type and version with all its fields, one with only the required ones, and odd texts."""
    StoredEvent.objects.bulk_create(StoredEvent(**_columns(*one)) for one in _declared())
    for text in TEXTS:
        recorded(orders(2), (1, 2), reason=text)


def _declared() -> Iterator[tuple[str, str, Any]]:
    for file in goldens():
        type_, version = name_of(file)
        data = json.loads((GOLDEN / file.name).read_text())
        schema = json.loads((SCHEMAS / file.name).read_text())
        optional = data.keys() - set(schema["required"])
        yield type_, version, data
        yield type_, version, {name: value for name, value in data.items() if name not in optional}
        yield type_, version, data | {name: schema["properties"][name]["default"] for name in optional}
        yield type_, version, {name: [] if isinstance(value, list) else value for name, value in data.items()}


def _columns(type_: str, version: str, data: Any) -> dict[str, Any]:
    kind = type_.partition(".")[0]
    return {
        "event_id": uuid4(), "stream": f"{kind}:{uuid4()}", "stream_version": 1, "type": type_, "version": version,
        "data": data, "source": f"{kind}-service", "time": now(),
    }  # fmt: skip


def backlog(count: int) -> None:
    """Small events of many streams."""
    streams = 500
    for _ in islice(range(0, count, streams * 7), None):
        recorded(orders(streams), range(1, 8))
