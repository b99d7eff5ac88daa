"""Real servers for the whole test run: one PostgreSQL and one Valkey, private to it, in a temporary folder.

A plugin named in pytest's options and not a conftest, because Django's settings read the addresses while
pytest-django loads, which is before any conftest. Under xdist the controller starts the servers; each worker
gets a PostgreSQL database of its own from pytest-django and a logical Valkey database of its own from here.

TEST_BROKER_URL puts another broker, such as RabbitMQ, in Valkey's place.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from orderproject.stack.errors import ProcessFailed
from orderproject.stack.ports import free_port
from orderproject.stack.servers.postgres import EmbeddedPostgres
from orderproject.stack.servers.valkey import EmbeddedValkey

UNSAFE_BUT_FAST = {
    # A test database need not survive a power cut.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    # What a test leaves behind must not hold locks for which every later test then waits.
    "statement_timeout": "100s",
    "idle_in_transaction_session_timeout": "100s",
    "client_connection_check_interval": "1s",
}
ATTEMPTS = 3


class Servers:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="order-tests-"))
        self.postgres = EmbeddedPostgres(self.folder / "postgres", free_port(), UNSAFE_BUT_FAST)
        self.valkey = EmbeddedValkey(self.folder / "valkey", free_port())

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()

    def stop(self) -> None:
        """May be called again."""
        self.valkey.stop()
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.postgres.url,
            "BROKER_URL": os.environ.get("TEST_BROKER_URL", self.valkey.url),
            "REDIS_URL": self.valkey.url,
            "SECRET_KEY": "only-for-tests-" + "0" * 50,
            "ENVIRONMENT": "test",
            # All tests log in from one address.
            "RATE_LIMIT_LOGIN": "1000000",
            "RATE_LIMIT_ANONYMOUS": "1000000",
        }


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    # A wrapper runs before every plain implementation: also before pytest-django's, which loads the settings.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        start_servers()
    yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """From here and not in the worker, where this plugin is loaded only after the settings."""
    for number, spec in enumerate(specs, start=1):
        spec.env.update(with_valkey_database(number))


def start_servers() -> None:
    for attempt in range(1, ATTEMPTS + 1):
        servers = Servers()
        # At exit and not in a hook: pytest runs none of its hooks when the settings or a plugin fail to load.
        atexit.register(servers.stop)
        try:
            servers.start()
            break
        except ProcessFailed:
            # Another run may have taken the port between our looking and our binding.
            servers.stop()
            if attempt == ATTEMPTS:
                raise
    os.environ.update(servers.environment())


def with_valkey_database(number: int) -> dict[str, str]:
    urls = {name: os.environ[name] for name in ("BROKER_URL", "REDIS_URL")}
    return {name: f"{url.rsplit('/', 1)[0]}/{number}" for name, url in urls.items() if url.startswith("redis://")}
