"""After a restart of PostgreSQL, whoever asks the pool gets a live connection at once, however many died in it."""

import threading
import time
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from psycopg import OperationalError

from events.db.engine.base import DatabaseWrapper
from events.db.patience import connecting_within
from orderproject.stack.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)
IDLE = 10


def leave_in_the_pool(count: int) -> None:
    """So many connections that were used at the same time."""
    together = threading.Barrier(count)

    def use() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            together.wait(10)
        connections.close_all()

    users = [threading.Thread(target=use) for _ in range(count)]
    for user in users:
        user.start()
    for user in users:
        user.join()


def end_every_session() -> None:
    at = connection.settings_dict
    address = {"host": at["HOST"], "port": at["PORT"], "user": at["USER"], "password": at["PASSWORD"]}
    with psycopg.connect(**address, dbname=at["NAME"], autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"  # waits until each is gone
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_pool_full_of_dead_connections_gives_a_live_one_at_once() -> None:
    connection.close()
    leave_in_the_pool(IDLE)
    pool: Any = connection.pool  # type: ignore[attr-defined]
    assert pool.get_stats()["pool_available"] >= IDLE
    end_every_session()
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert time.monotonic() - began < 2


def test_a_caller_with_less_patience_does_not_wait_as_long_as_the_pool() -> None:
    """So `/metrics` answers 503 before Prometheus gives up."""
    away = DatabaseWrapper({**connection.settings_dict, "PORT": free_port()}, "away")
    began = time.monotonic()
    try:
        with connecting_within(0.3), pytest.raises(OperationalError, match=r"0\.30 sec"):
            away.connect()
    finally:
        away.close_pool()
    assert time.monotonic() - began < 5


def test_with_patience_a_pool_of_dead_connections_still_gives_a_live_one() -> None:
    connection.close()
    leave_in_the_pool(IDLE)
    end_every_session()
    with connecting_within(5), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
