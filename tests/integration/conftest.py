"""What the kernel's tests share: an empty broker, and a relay whose messages can be read."""

from collections.abc import Iterator

import pytest

from events.breaker import breakers
from orderproject.celery import app
from tests.integration import listeners
from tests.integration.mail import Mail


@pytest.fixture
def mail() -> Iterator[Mail]:
    """The broker's queues, empty before and after."""
    mail = Mail(app)
    mail.purge()
    yield mail
    mail.purge()


@pytest.fixture(autouse=True)
def _silence() -> None:
    listeners.handled.clear()
    listeners.poison.clear()
    listeners.calls.clear()
    listeners.keys_seen.clear()


@pytest.fixture(autouse=True)
def _closed_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds a breaker as another left it."""
    monkeypatch.setattr("events.breaker._quiet_until", 0.0)
    for one in breakers():
        one.forget()
