"""`python -m bench.streams --database-url U --redis-url U [--quick]`: measures publishing the log to brokers.

A backlog of small events is published to Kafka (`tansu`, in memory) and to a private RabbitMQ node, by what
`manage.py streams run` does in a loop. Afterwards a plain client reads everything and counts what is missing, in the
wrong order within a stream, or there twice.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import amqp

from bench import cpu
from bench.parts.timing import Measured, options, print_samples
from bench.project import configure, make_schema
from bench.sample import Sample
from orderproject.stack.ports import HOST

ORDERS, QUICK = 20_000, 1_000
VERSIONS = 7
"""Events of each stream, as many as an order has."""
COHORT = 500
"""Streams whose events are mixed in the log, like those of orders that are processed at the same time."""
QUEUE = "consumer"
LAST_WITHIN = 3.0
"""Seconds to wait for a message that is there once more."""

Seen = list[tuple[str, int]]
"""Stream and version of each message, in the order of their arrival."""
Read = Callable[[], Seen]


def run(database_url: str, redis_url: str, *, quick: bool = False) -> Iterator[Sample]:
    """Needs an empty database. Yields a sample for each broker."""
    configure(database_url, redis_url)
    make_schema()
    expected = _backlog(QUICK if quick else ORDERS)
    for name, broker, missing in (("kafka", _kafka, _no_kafka()), ("rabbitmq", _rabbitmq, _no_rabbitmq())):
        if missing:
            yield _sample(name, expected, {}, [missing])
            continue
        with tempfile.TemporaryDirectory(prefix="bench-streams-") as folder, broker(Path(folder)) as read:
            figures = _publish(name, sum(expected.values()))
            found, problems = _compared(read(), expected)
        yield _sample(name, expected, figures | found, problems)


def _sample(name: str, expected: dict[str, int], figures: Measured, problems: Sequence[str]) -> Sample:
    settings = {"events": str(sum(expected.values())), "streams": str(len(expected))}
    return Sample(
        scenario="streams", contender=f"ours-{name}", figures=figures, settings=settings, problems=list(problems)
    )


def _backlog(count: int) -> dict[str, int]:
    """Appends the events; returns how many each stream has."""
    from events.models import StoredEvent
    from tests.publishing import orders, recorded

    for _ in range(0, count, COHORT):
        recorded(orders(COHORT), range(1, VERSIONS + 1))
    return dict.fromkeys(StoredEvent.objects.values_list("stream", flat=True), VERSIONS)


def _publish(name: str, events: int) -> Measured:
    """Publishes the whole log. The CPU is that of the publisher, of its PostgreSQL backend, and of the broker."""
    from tests.publishing import caught_up, started

    publisher, cursor = started(name)
    before, began = _cpu(), time.perf_counter()
    caught_up(publisher, cursor)
    took, after = time.perf_counter() - began, _cpu()
    publisher.close()
    each = {f"cpu_us_per_event_{part}": round((after[part] - before[part]) / events * 1e6, 1) for part in after}
    return {"per_second": round(events / took, 1), "cpu_us_per_event": round(sum(each.values()), 1), **each}


def _cpu() -> dict[str, float]:
    """CPU seconds so far. The broker is the only child of this process."""
    from django.db import connection

    connection.ensure_connection()
    backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    own = time.process_time()
    everything = cpu.seconds({"all": os.getpid()})["all"]
    return {"publisher": own, "broker": everything - own, "postgres": int(backend.split()[0]) / 1e9}


def _compared(seen: Seen, expected: dict[str, int]) -> tuple[Measured, list[str]]:
    from tests.publishing import disorder

    found = disorder(seen, expected)
    problems = []
    if found["gaps"]:
        problems.append(f"the consumer misses {found['gaps']} of {sum(expected.values())} events")
    if found["inversions"]:
        problems.append(f"the consumer gets {found['inversions']} events after later ones of their streams")
    return {name: float(count) for name, count in found.items()}, problems


def _no_kafka() -> str:
    from tests import kafka

    program = kafka.program()
    there = program is not None and program.exists()
    return "" if there else "tansu is not installed; it comes with requirements-dev.txt on Linux (x86-64)"


def _no_rabbitmq() -> str:
    from tests import rabbit

    return "" if rabbit.installed() else "RabbitMQ is not installed: run .ci/rabbitmq"


@contextmanager
def _kafka(folder: Path) -> Iterator[Read]:
    from django.conf import settings

    from publishing.kafka import topics
    from tests import kafka

    with kafka.broker(folder) as address:
        settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = address
        topics.create(dry_run=False)
        topic, most = topics.topic_of("order"), 10 * ORDERS * VERSIONS
        yield lambda: [_key(one.value()) for one in kafka.consumed(address, topic, most, within=LAST_WITHIN)]


@contextmanager
def _rabbitmq(folder: Path) -> Iterator[Read]:
    """With a consumer's queue, which is bound before anything is published."""
    from django.conf import settings

    from publishing.rabbitmq import exchange
    from tests import rabbit

    with rabbit.Node(folder) as node:
        settings.STREAMS_RABBITMQ_URL = node.url
        exchange.create(dry_run=False)
        with amqp.Connection(f"{HOST}:{node.port}", userid="guest", password="guest") as connection:
            channel = connection.channel()
            channel.queue_declare(QUEUE, durable=True, auto_delete=False)
            channel.queue_bind(QUEUE, exchange.exchange(), "order.*")
        yield lambda: _consumed(node.port)


def _consumed(port: int) -> Seen:
    """All that the queue holds."""
    found: Seen = []
    with amqp.Connection(f"{HOST}:{port}", userid="guest", password="guest") as connection:
        channel = connection.channel()
        channel.basic_consume(QUEUE, no_ack=True, callback=lambda message: found.append(_key(message.body)))
        try:
            while True:
                connection.drain_events(timeout=LAST_WITHIN)
        except TimeoutError:
            return found


def _key(body: bytes | str | None) -> tuple[str, int]:
    envelope = json.loads(body or b"{}")
    return envelope["stream"], envelope["streamVersion"]


def main() -> None:
    asked = options("bench.streams")
    print_samples(run(asked.database_url, asked.redis_url, quick=asked.quick))


if __name__ == "__main__":
    main()
