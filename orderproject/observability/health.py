"""Health checks. `/livez`: this process answers requests. `/readyz`: it can accept orders."""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from events.db.patience import connecting_within
from events.delivery.broker import AWAY

PATIENCE = 1.0
"""Seconds that one server has for its answer."""
_migrated = False


@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Checks no other server, because a process must not be restarted when its database is unreachable."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if PostgreSQL answers and is migrated. Without Valkey or the broker the status is only degraded.

    Orders are accepted then, and what they need is sent later.
    """
    checks = {"postgresql": _postgres(), "valkey": _valkey(), "broker": _broker()}
    ready = checks["postgresql"] == "ok"
    status = ("ok" if set(checks.values()) == {"ok"} else "degraded") if ready else "unavailable"
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


def _postgres() -> str:
    global _migrated  # noqa: PLW0603  a migrated schema stays migrated for this code
    try:
        with connecting_within(PATIENCE), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _migrated = _migrated or not _plan()
    except Error:
        return "away"
    return "ok" if _migrated else "migrations missing"


def _plan() -> list[object]:
    executor = MigrationExecutor(connection)
    return list(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _valkey() -> str:
    return _ping(settings.REDIS_URL)


def _broker() -> str:
    """The broker in use, which may be RabbitMQ, or another server than the one that holds breakers and counters."""
    url = settings.BROKER_URL
    return _ping(url) if url.startswith("redis") else _handshake(url)


def _ping(url: str) -> str:
    try:
        _client(url).ping()
    except redis.RedisError:
        return "away"
    return "ok"


def _handshake(url: str) -> str:
    """With a connection of its own: the publishers' connections wait longer for a node that does not reply."""
    transport: Any = current_app.connection_for_write(url, connect_timeout=PATIENCE).transport
    try:
        transport.close_connection(transport.establish_connection())
    except AWAY:
        return "away"
    return "ok"


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=None)
