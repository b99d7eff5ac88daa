"""Rate limits per user, per API key, and per address for anonymous callers. All processes share them.

A quota refills evenly: a caller can send at the full rate permanently, or a minute's requests in one burst. A quota is
one number in Valkey, changed by one atomic script (`limits.lua`) in one round trip. Without Valkey, all requests pass.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest
from redis.commands.core import Script

from events.db import valkey
from orderproject.accounts.identity import identify
from orderproject.api.addresses import address_block, client_address
from orderproject.api.paths import is_log_in, is_of_the_api

SCRIPT = Path(__file__).with_name("limits.lua")
WINDOW = 60
"""Seconds in which an empty quota refills."""
RETRY_VALKEY_AFTER = 1.0
"""Seconds after an error of Valkey in which requests pass without asking it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Quota:
    """A limit in requests per minute, shared by all callers with this name."""

    name: str
    limit: int


@dataclass(frozen=True)
class Verdict:
    """The state of a quota after a request. `wait` is the number of seconds that a refused caller must wait."""

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
    """The quota that a request counts against; None for unlimited paths: probes, static files, the admin."""
    if is_log_in(request):  # checking a password takes a third of a second of CPU
        return _quota(f"log-in:{address_block(client_address(request))}", settings.RATE_LIMIT_LOGIN)
    if not is_of_the_api(request.path):
        return None
    identity = identify(request)
    return _quota(identity.quota, settings.RATE_LIMIT if identity.caller else settings.RATE_LIMIT_ANONYMOUS)


def _quota(name: str, limit: int) -> Quota | None:
    return Quota(name, limit) if limit else None


def take(quota: Quota) -> Verdict | None:
    """Counts one request. Returns None if Valkey is unreachable; never raises."""
    global _quiet_until  # noqa: PLW0603  state of the process
    if time.monotonic() < _quiet_until:
        return None
    window = WINDOW * 1_000_000
    interval = max(1.0, window / quota.limit)  # the clock has a resolution of microseconds
    try:
        answer: Any = _script()([f"limit:{quota.name}"], [interval, window], valkey.client())
    except redis.RedisError as error:
        _quiet_until = time.monotonic() + RETRY_VALKEY_AFTER
        log.warning("rate limits not enforced; Valkey is unreachable", error=str(error))
        return None
    allowed, remaining, full, wait = answer
    return Verdict(quota.limit, remaining, _seconds(full), 0 if allowed else _seconds(wait))


_quiet_until = 0.0


def _seconds(microseconds: int) -> int:
    return max(1, ceil(microseconds / 1_000_000))


@cache
def _script() -> Script:
    """Calls EVALSHA and loads the script again if the server does not have it."""
    return valkey.client().register_script(SCRIPT.read_text())
