"""The broker, the breakers in front of external servers, and the publishers to brokers outside."""

from __future__ import annotations

from collections.abc import Iterator

import redis
import structlog
from celery import current_app
from prometheus_client.core import Metric

from events.breakers.breaker import State, breakers
from events.declare.queues import declared_queues
from events.delivery.broker import AWAY, depths
from orderproject.observability.families import gauge
from publishing.models import Cursor
from publishing.selectors import held_counts, lag_of

log = structlog.get_logger(__name__)


def broker() -> Iterator[Metric]:
    try:
        waiting = depths(current_app, declared_queues())
    except AWAY as error:
        log.warning("queue depths not available; the broker is unreachable", error=str(error))
        waiting = {}
    yield gauge("broker_up", "Whether the broker answers.", [], [((), float(bool(waiting)))])
    values = [((str(queue),), n) for queue, n in waiting.items()]
    yield gauge("broker_messages", "Messages waiting in a queue.", ["queue"], values)


def breaker_states() -> Iterator[Metric]:
    """Without Valkey there are none, and calls pass."""
    level = {State.CLOSED: 0.0, State.HALF_OPEN: 1.0, State.OPEN: 2.0}
    values = []
    for one in breakers():
        try:
            values.append(((one.name,), level[one.snapshot().state]))
        except redis.RedisError:
            break
    yield gauge("events_breaker_state", "0 closed, 1 half open, 2 open.", ["breaker"], values)


def publishers() -> Iterator[Metric]:
    """None where nothing is published to a broker; else one statement for each cursor, of which there are few."""
    cursors = [(one, lag_of(one)) for one in Cursor.objects.all()]
    of = ["publisher", "slot", "kind"]

    def labels(one: Cursor) -> tuple[str, ...]:
        return one.publisher, str(one.slot), "backfill" if one.backfill else "live"

    positions = [(labels(one), one.position) for one, _ in cursors]
    yield gauge("publishing_position", "The position up to which the log is published.", of, positions)
    behind = [(labels(one), lag.events) for one, lag in cursors]
    yield gauge("publishing_lag_events", "Events that are not published yet.", of, behind)
    seconds = [(labels(one), lag.seconds) for one, lag in cursors]
    yield gauge("publishing_lag_seconds", "Age of the oldest event that is not published yet.", of, seconds)
    failing = [(labels(one), one.failures) for one, _ in cursors]
    yield gauge("publishing_failures", "Failures since the last success.", of, failing)
    held = [((name,), count) for name, count in held_counts().items()]
    yield gauge("publishing_held_streams", "Streams whose next event a broker refuses.", ["publisher"], held)
    unrouted = [(labels(one), one.unrouted) for one, _ in cursors]
    yield gauge("publishing_unrouted", "Messages that no consumer has bound a queue for.", of, unrouted)
