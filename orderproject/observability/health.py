"""Health checks. `/livez`: this process answers requests. `/readyz`: it can accept orders."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

_migrated = False


@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Checks no other server, because a process must not be restarted when its database is unreachable."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if PostgreSQL answers and is migrated. Without Valkey the status is only degraded: orders are accepted."""
    postgres, valkey = _postgres(), _valkey()
    ready = postgres == "ok"
    status = ("ok" if valkey == "ok" else "degraded") if ready else "unavailable"
    checks = {"postgresql": postgres, "valkey": valkey}
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


def _postgres() -> str:
    global _migrated  # noqa: PLW0603  a migrated schema stays migrated for this code
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _migrated = _migrated or not _plan()
    except Error:
        return "away"
    return "ok" if _migrated else "migrations missing"


def _plan() -> list[object]:
    executor = MigrationExecutor(connection)
    return list(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _valkey() -> str:
    try:
        _client().ping()
    except redis.RedisError:
        return "away"
    return "ok"


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=None)
