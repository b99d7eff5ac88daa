"""Fixtures for pytest. In the `conftest.py` at the root of the tests: `pytest_plugins = ["events.testing.plugin"]`.

The only module of the kernel that imports pytest. Django must be set up before it is loaded: `-p` would be too early.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from events.testing.broker import Broker
from events.testing.deliveries import Deliveries


@pytest.fixture
def broker() -> Iterator[Broker]:
    """The broker's queues, empty before and after the test."""
    broker = Broker()
    broker.empty()
    yield broker
    broker.empty()


@pytest.fixture
def deliveries(transactional_db: None) -> Deliveries:
    """The deliveries that are made during the test."""
    return Deliveries()
