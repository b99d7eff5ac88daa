"""The test database, also for tests that only real processes write to."""

from typing import Any

import pytest
from django.test.utils import setup_databases


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any, django_db_modify_db_settings: None) -> None:
    """pytest-django's own makes only what marked tests ask for. Nothing is torn down: the server goes as a whole."""
    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False, aliases={"default": False})
