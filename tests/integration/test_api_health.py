"""The probes: alive is not the same as ready."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from orderproject.observability import health
from orderproject.stack.ports import free_port
from tests import rabbit

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
        {"status": "ok", "checks": {"postgresql": "ok", "valkey": "ok", "broker": "ok"}},
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
        {"status": "degraded", "checks": {"postgresql": "ok", "valkey": "away", "broker": "ok"}},
    )


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_without_the_broker_it_is_degraded_and_ready(
    client: Client, settings: Any, nobody_listens: int, scheme: str
) -> None:
    settings.BROKER_URL = f"{scheme}://127.0.0.1:{nobody_listens}/0"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "degraded", "checks": {"postgresql": "ok", "valkey": "ok", "broker": "away"}},
    )


def test_a_broker_that_does_not_answer_holds_nothing_up(client: Client, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings.BROKER_URL = f"amqp://127.0.0.1:{mute.getsockname()[1]}//"
        began = time.monotonic()
        assert client.get("/readyz").json()["checks"]["broker"] == "away"
        assert time.monotonic() - began < 3


@pytest.mark.slow
@pytest.mark.skipif(not rabbit.installed() and os.environ.get("CI") != "true", reason="RabbitMQ is not installed")
def test_rabbitmq_answers(client: Client, settings: Any, tmp_path: Path) -> None:
    with rabbit.node(tmp_path) as url:
        settings.BROKER_URL = url
        assert client.get("/readyz").json()["checks"]["broker"] == "ok"


def test_with_a_migration_missing_it_is_not_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'orders'")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["postgresql"]) == (503, "migrations missing")
    assert client.get("/livez").status_code == 200
