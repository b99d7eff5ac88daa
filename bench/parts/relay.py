"""`python -m bench.parts.relay --database-url U --redis-url U`: relayed rows per second.

`ours` is one relay with deliveries of a subscriber that does nothing. A message contains up to 500 deliveries. Between
rounds the benchmark empties the queue, outside of the measured time, so that the relay does not pause. `raw-poller` is
a minimal poller: it locks a batch, pushes each row in one pipeline, and marks the batch. `django-outbox-pattern` sends
by STOMP to its own RabbitMQ. All figures count rows that were sent and marked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import redis
from uuid_utils.compat import uuid7

from bench.parts.timing import Measured, options, print_samples
from bench.project import configure, make_schema
from bench.sample import Sample

BATCH = 500
ROWS, QUICK = 50_000, 5_000
PEERS_ROWS, PEERS_QUICK = 5_000, 1_000
WARM_UP = 1_000
QUEUE = "streams"
OUTBOX = """
CREATE TABLE raw_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body jsonb NOT NULL, sent_at timestamptz);
CREATE INDEX raw_outbox_waiting ON raw_outbox (id) WHERE sent_at IS NULL;
"""
FILL = (
    "INSERT INTO raw_outbox (body) SELECT jsonb_build_object('orderId', gen_random_uuid()) FROM generate_series(1, %s)"
)
TAKE = "SELECT id, body::text FROM raw_outbox WHERE sent_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
MARK = "UPDATE raw_outbox SET sent_at = now() WHERE id = ANY(%s)"


def run(database_url: str, redis_url: str, *, quick: bool = False) -> Iterator[Sample]:
    """Yields samples as they are measured. Needs an empty database."""
    rows, peers_rows = (QUICK, PEERS_QUICK) if quick else (ROWS, PEERS_ROWS)
    yield _sample("ours", ours(database_url, redis_url, rows), {"rows": str(rows), "batch": str(BATCH)})
    yield _sample("raw-poller", raw_poller(database_url, redis_url, rows), {"rows": str(rows), "batch": str(BATCH)})
    figures, problems = django_outbox(database_url, peers_rows)
    yield _sample("django-outbox-pattern", figures, {"rows": str(peers_rows), "broker": "RabbitMQ, STOMP"}, problems)


def _sample(contender: str, figures: Measured, settings: dict[str, str], problems: Sequence[str] = ()) -> Sample:
    return Sample(scenario="relay", contender=contender, figures=figures, settings=settings, problems=list(problems))


def ours(database_url: str, redis_url: str, rows: int) -> Measured:
    """Measures a relay that has been warmed up, because a new relay claims smaller batches."""
    configure(database_url, redis_url)
    make_schema()
    from django.db import transaction

    from events import Event, declare_queue
    from events.delivery.relay import Relay
    from events.delivery.subscribe import subscribe
    from events.log.append import append

    class Ticked(Event, type="bench.ticked", version="1.0", stream="tick_id"):
        """A clock ticked."""

        tick_id: UUID

    @subscribe(Ticked, queue=declare_queue(QUEUE), batch=BATCH)
    def ignore(events: Sequence[Ticked]) -> None:
        """Does nothing."""

    def fill(count: int) -> None:
        for _ in range(0, count, BATCH):
            with transaction.atomic():
                append([(Ticked(tick_id=uuid7()), 1) for _ in range(BATCH)])

    relay, broker = Relay(), redis.Redis.from_url(redis_url)
    fill(WARM_UP)
    _pump(relay, broker)
    fill(rows)
    seconds, sent, messages = _pump(relay, broker)
    if sent != rows:
        raise RuntimeError(f"the relay sent {sent} of {rows} deliveries")
    return {"per_second": round(rows / seconds, 1), "messages_per_second": round(messages / seconds, 1)}


def _pump(relay: Any, broker: redis.Redis) -> tuple[float, int, int]:
    """Runs the relay until nothing is due. Returns its seconds, deliveries and messages."""
    seconds, sent, messages = 0.0, 0, 0
    while True:
        began = time.perf_counter()
        claimed = relay.pump()
        seconds += time.perf_counter() - began
        messages += int(broker.llen(QUEUE))
        broker.delete(QUEUE)
        sent += claimed
        if not claimed:
            return seconds, sent, messages


def raw_poller(database_url: str, redis_url: str, rows: int) -> Measured:
    broker = redis.Redis.from_url(redis_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(OUTBOX)
        connection.execute(FILL, [WARM_UP])
        _poll(connection, broker)
        connection.execute(FILL, [rows])
        connection.execute("ANALYZE raw_outbox")
        began = time.perf_counter()
        sent = _poll(connection, broker)
        took = time.perf_counter() - began
    broker.delete("raw")
    return {"per_second": round(sent / took, 1)}


def _poll(connection: psycopg.Connection, broker: redis.Redis) -> int:
    sent = 0
    while True:
        with connection.transaction():
            found = connection.execute(TAKE, [BATCH]).fetchall()
            if not found:
                return sent
            pipeline = broker.pipeline(transaction=False)
            for _, body in found:
                pipeline.lpush("raw", body)
            pipeline.execute()
            connection.execute(MARK, [[id_ for id_, _ in found]])
        sent += len(found)


def django_outbox(database_url: str, rows: int) -> tuple[Measured, list[str]]:
    """Runs in a separate process and database, because it is a Django application with other settings."""
    from bench.peers.django_outbox.broker import StompNode
    from tests import rabbit

    if not rabbit.installed():
        return {}, ["RabbitMQ is not installed; django-outbox-pattern needs it: run .ci/rabbitmq"]
    with tempfile.TemporaryDirectory(prefix="bench-rabbitmq-") as folder:
        node = StompNode(Path(folder) / "node")
        command = [sys.executable, "-m", "bench.peers.django_outbox", "--database-url", database_url]
        asked = ["--stomp-port", str(node.stomp_port), "--messages", str(rows)]
        with node:
            said = subprocess.run([*command, *asked], stdout=subprocess.PIPE, check=True).stdout
    result = json.loads(said.splitlines()[-1])
    problems = [] if result["messages"] == rows else [f"it marked {result['messages']} of {rows} messages as sent"]
    return {"per_second": round(rows / result["seconds"], 1)}, problems


def main() -> None:
    asked = options("bench.parts.relay")
    print_samples(run(asked.database_url, asked.redis_url, quick=asked.quick))


if __name__ == "__main__":
    main()
