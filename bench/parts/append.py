"""`python -m bench.parts.append --database-url U --redis-url U`: events appended per second.

Batches have 500 events. `ours` appends events with subscribers, so it also writes deliveries and wakes the relay;
`ours-bare` appends events without subscribers. `raw-executemany` and `raw-executemany-bare` write the same rows,
encoded and numbered before the clock starts, into tables with the same indexes; `raw-copy` writes those of `ours-bare`.
`eventsourcing` is the recorder of that library, with encoded events of the same size, with and without its database
function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from bench.parts.timing import Measured, options, print_samples, rate
from bench.project import configure, make_schema
from bench.sample import Sample

BATCH = 500
EVENTS, QUICK = 50_000, 10_000
WARM_UP = 4
RAW = """
DROP TABLE IF EXISTS raw_event, raw_delivery;
CREATE TABLE raw_event (LIKE events_storedevent INCLUDING ALL);
CREATE TABLE raw_delivery (LIKE events_delivery INCLUDING ALL)
"""
COLUMNS = (
    "event_id", "stream", "stream_version", "type", "version", "data", "source", "actor", "correlation_id",
    "causation_id", "traceparent", "time",
)  # fmt: skip
INSERT = f"INSERT INTO raw_event ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608
DELIVER = """
INSERT INTO raw_delivery (event_id, subscriber, state, due_at, leases, attempts) VALUES (%s, %s, 'pending', %s, 0, 0)
"""
COPY = f"COPY raw_event ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
TYPES = ("uuid", "varchar", "int4", "varchar", "varchar", "jsonb", *["varchar"] * 5, "timestamptz")
TRACE = "00-41f0e01c687f44dacf1f7a71abc26cc2-4d8f491736052859-01"
ACTOR = "customer"
IN_A_BAR = {"ours", "ours-bare", "raw-executemany", "raw-executemany-bare"}
"""The contenders of a quick run."""


def run(database_url: str, redis_url: str, *, quick: bool = False) -> Iterator[Sample]:
    """Yields samples as they are measured. Needs an empty database."""
    configure(database_url, redis_url)
    make_schema()
    count = WARM_UP + (QUICK if quick else EVENTS) // BATCH
    contenders: dict[str, Callable[[], Measured]] = {
        "ours": lambda: ours(count, listened_to=True),
        "ours-bare": lambda: ours(count, listened_to=False),
        "raw-executemany": lambda: raw_executemany(database_url, count, listened_to=True),
        "raw-executemany-bare": lambda: raw_executemany(database_url, count, listened_to=False),
        "raw-copy": lambda: raw_copy(database_url, count),
        "eventsourcing": lambda: eventsourcing(database_url, count, functions=False),
        "eventsourcing-functions": lambda: eventsourcing(database_url, count, functions=True),
    }
    for contender, measure in contenders.items():
        if quick and contender not in IN_A_BAR:
            continue
        settings = {"batch": str(BATCH), "events": str((count - WARM_UP) * BATCH)}
        yield Sample(scenario="append", contender=contender, figures=measure(), settings=settings)


def created(order_id: UUID) -> Any:
    """An event that starts a saga."""
    from events import Money
    from orders.events import Item, OrderCreated

    price = Money(Decimal("10.00"), "EUR")
    items = tuple(Item(sku=f"BENCH-{place}", quantity=place, unit_price=price) for place in (1, 2))
    return OrderCreated(order_id=order_id, customer_id=order_id, items=items, total=Money(Decimal("30.00"), "EUR"))


def reserved(order_id: UUID) -> Any:
    """An event without subscribers."""
    from inventory.events import Allocation, InventoryReserved

    places = (1, 2)
    allocations = tuple(Allocation(sku=f"BENCH-{place}", warehouse="BENCH", quantity=place) for place in places)
    return InventoryReserved(order_id=order_id, allocations=allocations)


def ours(batches: int, *, listened_to: bool) -> Measured:
    """Appends as state changes do: in a transaction, with an actor and a correlation id."""
    from django.db import transaction

    from events.delivery.outbox import listening
    from events.log.append import append
    from events.log.context import Context, caused_by

    make = created if listened_to else reserved
    names, _ = listening(type(make(uuid4())))
    if bool(names) is not listened_to:
        raise RuntimeError(f"{type(make(uuid4())).__name__} has the subscribers {names}: measure with another event")

    def work(events: Sequence[Any]) -> None:
        with transaction.atomic():
            append(events)

    with caused_by(Context(str(uuid7()), str(uuid7()), ACTOR, TRACE)):
        return rate([[(make(uuid7()), 1) for _ in range(BATCH)] for _ in range(batches)], work, WARM_UP)


def rows(make: Callable[[UUID], Any]) -> list[tuple[Any, ...]]:
    """The rows that `ours` or `ours-bare` would write, with encoded data."""
    from events.declare.codec import encode
    from events.log.append import source_of

    now = datetime.now(UTC)
    events = [make(uuid7()) for _ in range(BATCH)]
    return [
        (
            *(uuid7(), one.stream, 1, one.type, one.version, Jsonb(encode(one), dumps=str), source_of(one)),
            *(ACTOR, str(uuid7()), str(uuid7()), TRACE, now),
        )
        for one in events
    ]


def raw_executemany(database_url: str, batches: int, *, listened_to: bool) -> Measured:
    """psycopg's executemany, which pipelines a batch and prepares the statement; events first, then deliveries."""
    from events.delivery.outbox import listening

    make = created if listened_to else reserved
    subscribers, _ = listening(type(make(uuid4())))
    numbers = iter(range(1, batches * BATCH + 1))
    now = datetime.now(UTC)
    prepared = [
        [(row, [(number, name, now) for name in subscribers]) for row, number in zip(rows(make), numbers, strict=False)]
        for _ in range(batches)
    ]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(RAW)

        def work(batch: Sequence[Any]) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(INSERT, [row for row, _ in batch])
                if listened_to:
                    cursor.executemany(DELIVER, [delivery for _, deliveries in batch for delivery in deliveries])

        return rate(prepared, work, WARM_UP)


def raw_copy(database_url: str, batches: int) -> Measured:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(RAW)

        def work(batch: Sequence[Any]) -> None:
            with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.set_types(TYPES)
                for row in batch:
                    copy.write_row(row)

        return rate([rows(reserved) for _ in range(batches)], work, WARM_UP)


def eventsourcing(database_url: str, batches: int, *, functions: bool) -> Measured:
    """Makes one call per batch, as `Application.save` does. Each event is the first of its aggregate."""
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    from events.declare.codec import encode

    at = psycopg.conninfo.conninfo_to_dict(database_url)
    datastore = PostgresDatastore(
        dbname=str(at["dbname"]), host=str(at["host"]), port=str(at["port"]), user=str(at["user"]),
        password=str(at["password"]), enable_db_functions=functions,
    )  # fmt: skip
    with datastore:
        recorder = PostgresApplicationRecorder(datastore, events_table_name=f"stored_events_{'f' * functions}")
        recorder.create_table()

        def stored() -> StoredEvent:
            event = reserved(uuid7())
            return StoredEvent(event.order_id, 1, event.type, encode(event).encode())

        return rate([[stored() for _ in range(BATCH)] for _ in range(batches)], recorder.insert_events, WARM_UP)


def main() -> None:
    asked = options("bench.parts.append")
    print_samples(run(asked.database_url, asked.redis_url, quick=asked.quick))


if __name__ == "__main__":
    main()
