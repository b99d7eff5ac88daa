"""`/metrics` for Prometheus: one address for all processes, because all totals are in the database.

Counters and histograms are read from the rows that processes add to (docs/decisions/0057); gauges are computed from
rows at the time of the request (docs/decisions/0034). Only clients in METRICS_NETWORKS get an answer. Those that
prefer OpenMetrics' format get that, with exemplars.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import structlog
from django.conf import settings
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from events.db.patience import connecting_within
from events.live import hub
from events.metrics import process
from orderproject.api.addresses import client_address
from orderproject.api.problems import problem
from orderproject.observability import requests
from orderproject.observability.families import counted, gauge
from orderproject.observability.gauges.business import business, webhooks
from orderproject.observability.gauges.database import database
from orderproject.observability.gauges.deliveries import deliveries
from orderproject.observability.gauges.deliveries import log as log_position
from orderproject.observability.gauges.inbox import inbox
from orderproject.observability.gauges.sagas import sagas
from orderproject.observability.gauges.servers import breaker_states, broker, publishers
from orderproject.observability.within_time import within_time

log = structlog.get_logger(__name__)

# Importing them declares what they count.
DECLARED = (process, hub, requests)

Section = Callable[[], Iterable[Metric]]
SECTIONS: Mapping[str, Section] = {
    "counted": counted,
    "deliveries": deliveries,
    "log": log_position,
    "sagas": sagas,
    "broker": broker,
    "breakers": breaker_states,
    "publishers": publishers,
    "inbox": inbox,
    "business": business,
    "webhooks": webhooks,
    "database": database,
}
PATIENCE = 2.0
"""Seconds that a scrape waits for a connection to the database."""
OPENMETRICS = "application/openmetrics-text"
TEXT = frozenset({"text/plain", "text/*", "*/*"})


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answers 404 to clients outside METRICS_NETWORKS."""
    if not _is_allowed(client_address(request)):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Installation())
    try:
        with connecting_within(PATIENCE):
            return _answer(request, registry)
    except Error as error:
        log.warning("metrics not available; the database is unreachable", error=str(error))
        return problem(request, 503, "unavailable", "The database is unavailable. Try again later.")


def _answer(request: HttpRequest, registry: CollectorRegistry) -> HttpResponse:
    """In OpenMetrics' format if the client prefers it to plain text, as Prometheus does."""
    if _prefers_openmetrics(request):
        body = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        content_type = openmetrics.CONTENT_TYPE_LATEST
    else:
        body, content_type = exposition.generate_latest(registry), exposition.CONTENT_TYPE_LATEST
    response = HttpResponse(body, content_type=content_type)
    response["Vary"] = "Accept"
    return response


def _prefers_openmetrics(request: HttpRequest) -> bool:
    """Whatever version it names: Django's own choice compares the parameters too, of which Prometheus sends many."""
    for accepted in request.accepted_types:  # the preferred ones first
        name = f"{accepted.main_type}/{accepted.sub_type}"
        if name in TEXT or name == OPENMETRICS:
            return name == OPENMETRICS
    return False


def _is_allowed(address: str | None) -> bool:
    return address is not None and any(
        ip_address(address) in network for network in _networks(tuple(settings.METRICS_NETWORKS))
    )


@lru_cache(maxsize=4)
def _networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


class Installation:
    """A Prometheus collector for the whole installation. A section that takes too long is left out."""

    def collect(self) -> Iterator[Metric]:
        up, seconds = {}, {}
        for name, section in SECTIONS.items():
            began = time.monotonic()
            families = within_time(name, partial(_families, section))
            up[(name,)], seconds[(name,)] = float(families is not None), time.monotonic() - began
            yield from families or ()
        yield gauge(
            "metrics_section_up", "Whether a section of these metrics was read in time.", ["section"], up.items()
        )
        yield gauge("metrics_section_seconds", "Time that reading a section took.", ["section"], seconds.items())


def _families(section: Section) -> list[Metric]:
    return list(section())
