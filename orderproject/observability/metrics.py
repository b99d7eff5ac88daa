"""`/metrics` for Prometheus: backlogs, dead letters, and the states of sagas and breakers.

The values come from the database and the broker at the time of the request. So every web process returns the values of
the whole installation, and the hot path counts nothing. Only clients in METRICS_NETWORKS get an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from events.breakers.breaker import State, breakers
from events.db.query import execute
from events.declare.queues import declared_queues
from events.delivery.broker import AWAY, depths
from orderproject.api.addresses import client_address
from orderproject.api.problems import problem
from publishing.models import Cursor
from publishing.selectors import held_counts, lag_of

log = structlog.get_logger(__name__)

# Use the partial indexes delivery_due and delivery_dead, so finished deliveries cost nothing.
WAITING = """
SELECT subscriber, count(*), extract(epoch FROM clock_timestamp() - min(event.time))::float8
FROM events_delivery delivery JOIN events_storedevent event ON event.position = delivery.event_id
WHERE delivery.state = 'pending' GROUP BY subscriber
"""
DEAD = "SELECT subscriber, count(*) FROM events_delivery WHERE state = 'dead' GROUP BY subscriber"
DEAD_MESSAGES = "SELECT count(*) FROM events_deadmessage WHERE retried_at IS NULL AND discarded_at IS NULL"
OPEN_SAGAS = """
SELECT saga, state, count(*), extract(epoch FROM clock_timestamp() - min(started_at))::float8 FROM sagas_sagarun
WHERE state IN ('running', 'compensating', 'stuck') GROUP BY saga, state
"""
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM events_storedevent"


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answers 404 to clients outside METRICS_NETWORKS."""
    if not _is_allowed(client_address(request)):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Installation())
    try:
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    except Error as error:
        log.warning("metrics not available; the database is unreachable", error=str(error))
        return problem(request, 503, "unavailable", "The database is unavailable. Try again later.")


def _is_allowed(address: str | None) -> bool:
    return address is not None and any(
        ip_address(address) in network for network in _networks(tuple(settings.METRICS_NETWORKS))
    )


@lru_cache(maxsize=4)
def _networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


class Installation:
    """A Prometheus collector for the current state of the whole installation."""

    def collect(self) -> Iterator[Metric]:
        yield from _deliveries()
        yield from _sagas()
        yield from _queues()
        yield _breakers()
        yield from _publishers()
        yield _gauge(
            "events_log_position", "The last position of the log.", [], [((), execute(LAST_POSITION, [])[0][0])]
        )


def _gauge(name: str, what: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _deliveries() -> Iterator[Metric]:
    waiting = execute(WAITING, [])
    of = ["subscriber"]
    yield _gauge(
        "events_deliveries_pending", "Deliveries that are pending.", of, [((who,), n) for who, n, _ in waiting]
    )
    oldest = [((who,), age) for who, _, age in waiting]
    yield _gauge("events_deliveries_oldest_seconds", "Age of the oldest event with a pending delivery.", of, oldest)
    dead = [((who,), n) for who, n in execute(DEAD, [])]
    yield _gauge("events_deliveries_dead", "Deliveries that are dead-lettered and wait for an operator.", of, dead)
    messages = execute(DEAD_MESSAGES, [])[0][0]
    yield _gauge("events_dead_messages", "Messages that no worker could process.", [], [((), messages)])


def _sagas() -> Iterator[Metric]:
    rows = execute(OPEN_SAGAS, [])
    of = ["saga", "state"]
    yield _gauge("sagas_open", "Sagas that have not ended.", of, [((saga, state), n) for saga, state, n, _ in rows])
    oldest = [((saga, state), age) for saga, state, _, age in rows]
    yield _gauge("sagas_oldest_seconds", "Age of the oldest saga that has not ended.", of, oldest)


def _queues() -> Iterator[Metric]:
    try:
        waiting = depths(current_app, declared_queues())
    except AWAY as error:
        log.warning("queue depths not available; the broker is unreachable", error=str(error))
        waiting = {}
    yield _gauge("broker_up", "Whether the broker answers.", [], [((), float(bool(waiting)))])
    values = [((str(queue),), n) for queue, n in waiting.items()]
    yield _gauge("broker_messages", "Messages waiting in a queue.", ["queue"], values)


def _publishers() -> Iterator[Metric]:
    """None where nothing is published to a broker; else one statement for each cursor, of which there are few."""
    cursors = [(one, lag_of(one)) for one in Cursor.objects.all()]
    of = ["publisher", "slot", "kind"]

    def labels(one: Cursor) -> tuple[str, ...]:
        return one.publisher, str(one.slot), "backfill" if one.backfill else "live"

    positions = [(labels(one), one.position) for one, _ in cursors]
    yield _gauge("publishing_position", "The position up to which the log is published.", of, positions)
    behind = [(labels(one), lag.events) for one, lag in cursors]
    yield _gauge("publishing_lag_events", "Events that are not published yet.", of, behind)
    seconds = [(labels(one), lag.seconds) for one, lag in cursors]
    yield _gauge("publishing_lag_seconds", "Age of the oldest event that is not published yet.", of, seconds)
    failing = [(labels(one), one.failures) for one, _ in cursors]
    yield _gauge("publishing_failures", "Failures since the last success.", of, failing)
    held = [((name,), count) for name, count in held_counts().items()]
    yield _gauge("publishing_held_streams", "Streams whose next event a broker refuses.", ["publisher"], held)
    unrouted = [(labels(one), one.unrouted) for one, _ in cursors if one.unrouted is not None]
    yield _gauge("publishing_unrouted", "Messages that no consumer has bound a queue for.", of, unrouted)


def _breakers() -> Metric:
    """The states of the breakers: 0 closed, 1 half open, 2 open. Without Valkey there are none, and calls pass."""
    level = {State.CLOSED: 0.0, State.HALF_OPEN: 1.0, State.OPEN: 2.0}
    values = []
    for one in breakers():
        try:
            values.append(((one.name,), level[one.snapshot().state]))
        except redis.RedisError:
            break
    return _gauge("events_breaker_state", "0 closed, 1 half open, 2 open.", ["breaker"], values)
