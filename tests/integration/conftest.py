"""What the kernel's tests share: an empty broker, and a relay whose messages can be read."""

import math
from collections.abc import Iterator

import pytest

from events.breakers.breaker import breakers
from notifications.webhooks import fan_out
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
    monkeypatch.setattr("events.breakers.breaker._quiet_until", 0.0)
    for one in breakers():
        one.forget()


@pytest.fixture(autouse=True)
def _nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process looks for webhooks once in a second, which would be one statement more in whatever test it falls."""
    monkeypatch.setattr(fan_out, "_asked", fan_out._Asked(until=math.inf))
