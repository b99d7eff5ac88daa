"""Nothing that anybody sends is an internal error: hostile keys, filters, forms, bodies, headers and cookies.

`CRAWL_CASES=5000` asks so many times for each role, `CRAWL_SEED=1` for other cases; see CONTRIBUTING.md.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest

from events.breakers.breaker import breakers
from tests.access.addresses import addresses
from tests.access.crawler import KEYS, Crawler
from tests.access.world import ROLES, World

pytestmark = pytest.mark.django_db
FEW = {"superuser": 300, "stranger": 300}
"""Those of `make test`: who reaches everything, and who is nobody."""
CASES, SEED = int(os.environ.get("CRAWL_CASES", "0")), int(os.environ.get("CRAWL_SEED", "0"))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """No log of thousands of refusals; no webhook is waited for; no breaker stays as it was forced."""
    monkeypatch.setattr("notifications.webhooks.fan_out.KNOWN_FOR", 0.0)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    for one in breakers():
        one.forget()


@pytest.mark.timeout(3600 if CASES else 280)
@pytest.mark.parametrize("role", ROLES if CASES else FEW)
def test_nothing_hostile_is_an_internal_error(role: str) -> None:
    faults = Crawler(World(), role, SEED).faults(CASES or FEW[role])
    assert not faults, f"{len(faults)} internal errors:\n" + "\n".join(faults[:40])


def test_every_address_gets_every_hostile_key() -> None:
    with_parameters = [address for address in addresses() if address.parameters]
    assert len(with_parameters) > 120
    least = len(KEYS) * sum(len(address.methods) for address in with_parameters)
    assert len(Crawler(World(), "superuser").hostile_keys()) >= least
