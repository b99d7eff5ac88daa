"""Wake-up hints for the relay. A hint only saves time; the relay also polls, so a lost hint delays nothing for long.

The hint is an item in a list rather than a Pub/Sub message, so that one hint wakes one relay. The list holds at most
one item, because a relay that wakes up claims everything that is due. An unreachable or frozen server must not slow
down the request that just committed, so after a failure no hint is sent for QUIET seconds.
"""

import os
import threading
import time
from functools import cache
from typing import Any

import redis
import structlog

from events.conf import event_settings
from events.db import valkey

WAKE = "events:wake"
APPENDED = "events:appended"
"""The Pub/Sub channel of the same hint for processes that serve live streams; see `events.live`."""
QUIET = 1.0
"""Seconds without a hint after a failure."""

_quiet_until = 0.0
log = structlog.get_logger(__name__)


def notify_relay() -> None:
    """Wakes one sleeping relay and all live streams. Never raises. Call it after the commit."""
    global _quiet_until  # noqa: PLW0603  one moment per process
    if time.monotonic() < _quiet_until:
        return
    try:
        _hints(valkey.client(), os.getpid()).send()
    except redis.RedisError as error:
        _quiet_until = time.monotonic() + QUIET
        log.warning("relay not notified; it polls instead", error=str(error))


class _Hints:
    """Sends hints without waiting for replies, because no reply would change anything.

    The first hints after a restart of the server are lost.
    """

    def __init__(self, pool: Any) -> None:
        self._connection = pool.make_connection()
        self._connection.register_connect_callback(self._turn_replies_off)
        commands = [("LPUSH", WAKE, 1), ("LTRIM", WAKE, 0, 0), ("PUBLISH", APPENDED, 1)]
        self._hint = self._connection.pack_commands(commands)
        self._lock = threading.Lock()  # two threads must not interleave their commands

    def send(self) -> None:
        """Raises redis.RedisError."""
        with self._lock:
            self._connection.send_packed_command(self._hint)

    def _turn_replies_off(self, connection: Any) -> None:
        connection.send_command("CLIENT", "REPLY", "OFF")


@cache
def _hints(client: "redis.Redis", pid: int) -> _Hints:
    """One per process, because a forked process must not use its parent's connection."""
    return _Hints(client.connection_pool)


def wait(seconds: float) -> bool:
    """Sleeps until a hint arrives, or for `seconds`; returns whether one arrived.

    Raises redis.RedisError immediately if the server is unreachable.
    """
    return _waiting_client().blpop([WAKE], timeout=seconds) is not None


@cache
def _waiting_client() -> "redis.Redis":
    """Apart from the other: it waits on purpose, so a longer silence is no failure."""
    return redis.Redis.from_url(event_settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=1, retry=None)
