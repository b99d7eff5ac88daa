"""The probes: alive is not the same as ready."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from orderproject.observability import health
from orderproject.stack.ports import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """What a process remembers of an earlier look."""
    health._migrated = False
    health._client.cache_clear()
    yield
    health._migrated = False
    health._client.cache_clear()


@pytest.fixture
def nobody_listens() -> int:
    return free_port()


def test_alive_and_ready(client: Client) -> None:
    assert client.get("/livez").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "checks": {"postgresql": "ok", "valkey": "ok"}},
    )
    assert "no-store" in ready["Cache-Control"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_they_need_no_host_name_and_no_log_in(client: Client, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.head(path).status_code == 200
    assert client.get(f"{path}/").status_code == 404


def test_without_valkey_it_is_degraded_and_ready(client: Client, settings: Any, nobody_listens: int) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{nobody_listens}/0"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "degraded", "checks": {"postgresql": "ok", "valkey": "away"}},
    )


def test_with_a_migration_missing_it_is_not_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'orders'")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["postgresql"]) == (503, "migrations missing")
    assert client.get("/livez").status_code == 200
