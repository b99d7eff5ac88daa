"""`/metrics`, for Prometheus: what waits, what is dead, and in which state everything is.

All from the rows and the broker at the moment of asking, so that any web process tells the same for the whole
installation, and nothing is counted on the hot path. Only for addresses of METRICS_NETWORKS.
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

from events import sql
from events.breaker import State, breakers
from events.broker import AWAY, depths
from events.queues import Queue
from orderproject.addresses import client_address
from orderproject.problems import problem

log = structlog.get_logger(__name__)

# By the partial indexes on what is not done (delivery_due, delivery_dead), however much is done.
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
    """Whoever may not ask is told that nothing is here."""
    if not _may_ask(client_address(request)):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Installation())
    try:
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    except Error as error:
        log.warning("no metrics without the database", error=str(error))
        return problem(request, 503, "unavailable", "The database does not answer.")


def _may_ask(address: str | None) -> bool:
    return address is not None and any(
        ip_address(address) in network for network in _networks(tuple(settings.METRICS_NETWORKS))
    )


@lru_cache(maxsize=4)
def _networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


class Installation:
    """A collector: the whole installation, as it is now."""

    def collect(self) -> Iterator[Metric]:
        yield from _deliveries()
        yield from _sagas()
        yield from _queues()
        yield _breakers()
        yield _gauge(
            "events_log_position", "The last position of the log.", [], [((), sql.run(LAST_POSITION, [])[0][0])]
        )


def _gauge(name: str, what: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _deliveries() -> Iterator[Metric]:
    waiting = sql.run(WAITING, [])
    of = ["subscriber"]
    yield _gauge(
        "events_deliveries_pending", "Deliveries that are not done.", of, [((who,), n) for who, n, _ in waiting]
    )
    oldest = [((who,), age) for who, _, age in waiting]
    yield _gauge("events_deliveries_oldest_seconds", "Age of the oldest event that is not handled.", of, oldest)
    dead = [((who,), n) for who, n in sql.run(DEAD, [])]
    yield _gauge("events_deliveries_dead", "Dead letters: they wait for a person.", of, dead)
    messages = sql.run(DEAD_MESSAGES, [])[0][0]
    yield _gauge("events_dead_messages", "Messages that no worker understood.", [], [((), messages)])


def _sagas() -> Iterator[Metric]:
    rows = sql.run(OPEN_SAGAS, [])
    of = ["saga", "state"]
    yield _gauge("sagas_open", "Sagas that have not ended.", of, [((saga, state), n) for saga, state, n, _ in rows])
    oldest = [((saga, state), age) for saga, state, _, age in rows]
    yield _gauge("sagas_oldest_seconds", "Age of the oldest saga that has not ended.", of, oldest)


def _queues() -> Iterator[Metric]:
    try:
        waiting = depths(current_app, Queue)
    except AWAY as error:
        log.warning("the broker does not say how much waits", error=str(error))
        waiting = {}
    yield _gauge("broker_up", "Whether the broker answers.", [], [((), float(bool(waiting)))])
    values = [((str(queue),), n) for queue, n in waiting.items()]
    yield _gauge("broker_messages", "Messages that wait in a queue.", ["queue"], values)


def _breakers() -> Metric:
    """2 is open, 1 half open, 0 closed; none where Valkey is away, for then calls go through."""
    level = {State.CLOSED: 0.0, State.HALF_OPEN: 1.0, State.OPEN: 2.0}
    values = []
    for one in breakers():
        try:
            values.append(((one.name,), level[one.snapshot().state]))
        except redis.RedisError:
            break
    return _gauge("events_breaker_state", "0 closed, 1 half open, 2 open.", ["breaker"], values)
