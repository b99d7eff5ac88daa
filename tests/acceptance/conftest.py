"""The shop of the acceptance tests: one set of real processes for each module."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.shop import Shop, open_shop

BACKEND = ("sandbox", "worker-core", "worker-calls", "worker-network", "relay", "beat")


@pytest.fixture(scope="module")
def processes(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    """Everything behind the API, and `web` too where a module says `PROCESSES = (…)`."""
    names = getattr(request.module, "PROCESSES", BACKEND)
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *names) as shop:
        yield shop


@pytest.fixture
def shop(processes: Shop) -> Iterator[Shop]:
    """After each test all has settled, and everything agrees with everything."""
    yield processes
    processes.wait_until(lambda: not processes.busy(), 60)
    assert processes.reconcile() == []
