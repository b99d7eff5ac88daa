"""Deliveries that wait or are dead, the queues they wait for, and how far the log is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import Metric

from events.db.query import execute
from events.declare.subscribers import subscriber
from events.log import tally
from orderproject.observability.families import gauge
from orderproject.observability.gauges import MOST
from orderproject.observability.gauges.sagas import open_steps

# Plan: jumps from subscriber to subscriber in the partial index, then reads the entries of each.
BY_SUBSCRIBER = """
WITH RECURSIVE found AS (
    (SELECT subscriber FROM events_delivery WHERE state = '{state}' ORDER BY subscriber LIMIT 1)
    UNION ALL
    SELECT (SELECT later.subscriber FROM events_delivery later
            WHERE later.state = '{state}' AND later.subscriber > found.subscriber ORDER BY later.subscriber LIMIT 1)
    FROM found WHERE found.subscriber IS NOT NULL
)
SELECT found.subscriber, counted.number, extract(epoch FROM clock_timestamp() - counted.oldest)::float8
FROM found CROSS JOIN LATERAL (
    SELECT count(*) AS number, min(created_at) AS oldest FROM (
        SELECT created_at FROM events_delivery WHERE state = '{state}' AND subscriber = found.subscriber
        ORDER BY {order} LIMIT %s) first
) counted
WHERE found.subscriber IS NOT NULL
"""
PENDING = BY_SUBSCRIBER.format(state="pending", order="due_at")
DEAD = BY_SUBSCRIBER.format(state="dead", order="subscriber")
DEAD_MESSAGES = """
SELECT count(*), extract(epoch FROM clock_timestamp() - min(received_at))::float8 FROM events_deadmessage
WHERE retried_at IS NULL AND discarded_at IS NULL
"""
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM events_storedevent"
REBUILDS = "SELECT subscriber, position FROM events_replay WHERE state = 'running'"
OF = ("subscriber",)


def deliveries() -> Iterator[Metric]:
    pending, dead = execute(PENDING, [MOST]), execute(DEAD, [MOST])
    yield gauge("events_deliveries_pending", "Deliveries that are pending.", OF, [((who,), n) for who, n, _ in pending])
    yield gauge(
        "events_deliveries_oldest_seconds", "Age of the oldest pending delivery.", OF,
        [((who,), age) for who, _, age in pending],
    )  # fmt: skip
    yield gauge(
        "events_deliveries_dead", "Deliveries that are dead-lettered and wait for an operator.", OF,
        [((who,), n) for who, n, _ in dead],
    )  # fmt: skip
    yield gauge(
        "events_deliveries_dead_oldest_seconds", "Age of the oldest dead delivery.", OF,
        [((who,), age) for who, _, age in dead],
    )  # fmt: skip
    yield _queues([(who, age) for who, _, age in pending])
    ((number, oldest),) = execute(DEAD_MESSAGES, [])
    yield gauge("events_dead_messages", "Messages that no worker could process.", [], [((), number)])
    yield gauge(
        "events_dead_messages_oldest_seconds", "Age of the oldest message that no worker could process.", [],
        [((), oldest)],
    )  # fmt: skip


def _queues(pending: list[tuple[str, float]]) -> Metric:
    """What waits for a worker: deliveries, and steps of sagas."""
    oldest: dict[str, float] = defaultdict(float)
    for name, age in pending:
        if (one := subscriber(name)) is not None and not one.at_relay:
            oldest[one.queue] = max(oldest[one.queue], age)
    for step in open_steps():
        if step.queue is not None and step.oldest is not None:
            oldest[step.queue] = max(oldest[step.queue], step.oldest)
    values = [((str(queue),), age) for queue, age in sorted(oldest.items())]
    return gauge(
        "broker_oldest_seconds", "Age of the oldest delivery or saga step that is for a queue's workers.", ["queue"],
        values,
    )  # fmt: skip


def log() -> Iterator[Metric]:
    last = execute(LAST_POSITION, [])[0][0]
    yield gauge("events_log_position", "The last position of the log.", [], [((), last)])
    readers = [(("metrics",), tally.position()[0])]
    readers += [((f"replay of {name}",), position) for name, position in execute(REBUILDS, [])]
    yield gauge(
        "events_reader_position", "The position up to which a reader has read the log; publishers have their own.",
        ["reader"], readers,
    )  # fmt: skip
