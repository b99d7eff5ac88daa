"""Lists that travel as arrays come back as they were, however awkward their items are."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from math import inf
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import DataError, connection
from psycopg.types.array import ListDumper

from events.db.engine.arrays import ArrayDumper

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 2, 28, 1, 2, 3, 4, tzinfo=UTC)
TEXTS = [
    "",
    " ",
    "plain",
    'a "quoted" word',
    "back\\slash",
    "{1,2}",
    "NULL",
    "null",
    "line\nbreak",
    "\u2003",
    "ä€😀",
    "'",
    "%s",
]
LISTS: list[tuple[str, list[Any]]] = [
    ("text[]", TEXTS),
    ("text[]", ["a", None, "NULL", None]),
    ("text[]", [None, None]),
    ("text[]", [TEXTS[3], TEXTS[3], TEXTS[3]]),
    ("text[]", [TEXTS[4], "other", TEXTS[4]]),
    ("text[]", []),
    ("uuid[]", [uuid4(), UUID(int=0), None]),
    ("bigint[]", [0, -1, 2**62, None]),
    ("float8[]", [0.1, -1e300, inf]),
    ("bool[]", [True, False, None]),
    ("numeric[]", [Decimal("9.90"), Decimal("-1E+5"), Decimal("0.000001"), None]),
    ("bytea[]", [b"", b"plain", bytes(range(256)), None]),
    (
        "timestamptz[]",
        [
            datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(1999, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        ],
    ),
    ("timestamptz[]", [NOW, NOW, NOW]),
    ("timestamptz[]", [NOW, NOW + timedelta(1), None, NOW]),
    ("int[]", [[1, 2], [3, 4]]),
]


@pytest.mark.parametrize(("kind", "items"), LISTS)
def test_a_list_comes_back_as_it_was(kind: str, items: list[Any]):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}", [items])
        assert cursor.fetchone() == (items,)


def test_the_engine_uses_it():
    connection.ensure_connection()
    assert connection.connection.adapters.get_dumper(list, psycopg.adapt.PyFormat.TEXT) is ArrayDumper


@pytest.mark.parametrize(("kind", "items"), LISTS)
def test_it_has_the_type_that_psycopg_gives_it(kind: str, items: list[Any]):
    def typed(dumper: type[ListDumper]) -> int:
        adapters = psycopg.adapt.AdaptersMap(connection.connection.adapters)
        adapters.register_dumper(list, dumper)
        context: Any = psycopg.adapt.Transformer(SimpleNamespace(adapters=adapters, connection=None))
        context.dump_sequence([items], [psycopg.adapt.PyFormat.TEXT])
        return int(context.types[0])

    connection.ensure_connection()
    assert typed(ArrayDumper) == typed(ListDumper)


def test_text_with_a_nul_is_refused_as_it_is_alone():
    with pytest.raises(DataError), connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [["a", "b\0c"]])
