"""The test database, also for tests that only real processes write to."""

import os
from typing import Any

import pytest
from django.test.utils import setup_databases

pytest_plugins = ["events.testing.plugin"]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The workers that `-n auto` starts: two more than there are processors, because many tests wait for processes."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any, django_db_modify_db_settings: None) -> None:
    """pytest-django's own makes only what marked tests ask for. Nothing is torn down: the server goes as a whole."""
    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False, aliases={"default": False})
