"""How often one may ask: a quota per user, per API key, and per address for strangers; all processes share it.

A quota refills evenly, so one may ask at the full rate for ever, or in a burst of a whole minute's worth. It is one
number in Valkey, changed by one atomic script (`limits.lua`) in one round trip. Valkey away: everybody is let through.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest

from events import wake
from orderproject.addresses import client_address, neighbourhood
from orderproject.identity import identify
from orderproject.paths import is_log_in, is_of_the_api

if TYPE_CHECKING:
    from redis.commands.core import Script

SCRIPT = Path(__file__).with_name("limits.lua")
WINDOW = 60
"""Seconds in which a quota refills."""
QUIET = 1.0
"""Seconds without a try after Valkey failed."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Quota:
    """So many requests a minute for all who share this name."""

    name: str
    limit: int


@dataclass(frozen=True)
class Verdict:
    """What is left of a quota after a request; `wait` is how many seconds a refused one is too early."""

    limit: int
    remaining: int
    reset: int
    wait: int

    @property
    def headers(self) -> dict[str, str]:
        left = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
            "RateLimit-Policy": f"{self.limit};w={WINDOW}",
        }
        return {**left, "Retry-After": str(self.wait)} if self.wait else left


def quota_of(request: HttpRequest) -> Quota | None:
    """None for what is not limited: probes, static files, the pages of the admin."""
    if is_log_in(request):  # a password costs us a third of a second, whoever it is tried for
        return _quota(f"log-in:{neighbourhood(client_address(request))}", settings.RATE_LIMIT_LOGIN)
    if not is_of_the_api(request.path):
        return None
    identity = identify(request)
    return _quota(identity.quota, settings.RATE_LIMIT if identity.caller else settings.RATE_LIMIT_ANONYMOUS)


def _quota(name: str, limit: int) -> Quota | None:
    return Quota(name, limit) if limit else None


def take(quota: Quota) -> Verdict | None:
    """Counts one request. None where Valkey is away; never raises."""
    global _quiet_until  # noqa: PLW0603  one moment per process
    if time.monotonic() < _quiet_until:
        return None
    window = WINDOW * 1_000_000
    interval = max(1.0, window / quota.limit)  # a clock in microseconds counts no finer
    try:
        answer: Any = _script()([f"limit:{quota.name}"], [interval, window], wake.client())
    except redis.RedisError as error:
        _quiet_until = time.monotonic() + QUIET
        log.warning("rate limits let everything through", error=str(error))
        return None
    allowed, remaining, whole, wait = answer
    return Verdict(quota.limit, remaining, _seconds(whole), 0 if allowed else _seconds(wait))


_quiet_until = 0.0


def _seconds(microseconds: int) -> int:
    return max(1, ceil(microseconds / 1_000_000))


@cache
def _script() -> Script:
    """EVALSHA; where the server has forgotten the script it is loaded again."""
    return wake.client().register_script(SCRIPT.read_text())
