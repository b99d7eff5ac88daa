"""A test database, and the real relay, worker and beat on it, for the whole test run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, connections
from django.test.utils import setup_databases, teardown_databases

PROJECT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "relay": ["manage.py", "relay"],
    "worker": ["-m", "celery", "-A", "library", "worker", "--pool", "solo", "--queues", "lending,members,streams"],
    "beat": ["-m", "celery", "-A", "library", "beat"],
}


def wait_until(true: Callable[[], Any], *, seconds: float = 30.0) -> None:
    """Looks until it is true. Fails after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.05)


def address() -> str:
    """The test database, as the processes read it from their environment."""
    at = connection.settings_dict
    return f"postgres://{quote(at['USER'])}:{quote(at['PASSWORD'])}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """pytest-django's own makes a database only for tests that are rolled back."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        yield
        connections.close_all()
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def processes(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Nothing is rolled back: other processes must see the rows. Each test makes rows of its own."""
    folder = tmp_path_factory.mktemp("processes")
    with django_db_blocker.unblock():
        environment = {**os.environ, "DATABASE_URL": address()}
        running = [start(name, command, folder, environment) for name, command in COMMANDS.items()]
        yield
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def start(name: str, command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    if name == "beat":
        command = [*command, "--schedule", str(folder / "schedule"), "--pidfile", ""]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *command], cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
