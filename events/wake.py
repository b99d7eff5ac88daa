"""The hint that something is due. It hurries the relay; the relay's own polling is the truth.

A list rather than Pub/Sub, so that one hint wakes one relay; it holds one at most, for whoever looks finds all that is
due. A server that is away or frozen must not slow the
request down that just committed: after a failure nothing is tried for a second.
"""

import os
import threading
import time
from functools import cache
from typing import Any

import redis
import structlog
from django.conf import settings

WAKE = "events:wake"
APPENDED = "events:appended"
"""The channel on which the same hint reaches every process that shows the log live; see `events.live`."""
QUIET = 1.0
"""Seconds without a try after a failure."""

_quiet_until = 0.0
log = structlog.get_logger(__name__)


@cache
def client() -> "redis.Redis":
    """A client that gives up within a quarter of a second.

    With a pool that is not its own: where two threads make a client at once, the one that is not kept closes its own
    pool when it is collected, also what is in use there.
    """
    return redis.Redis(
        connection_pool=redis.ConnectionPool.from_url(
            settings.REDIS_URL,
            socket_timeout=0.25,
            socket_connect_timeout=0.25,
            retry=None,
            health_check_interval=0,
        )
    )


def relay() -> None:
    """Wakes one sleeping relay, and all live views; never raises."""
    global _quiet_until  # noqa: PLW0603  one moment per process
    if time.monotonic() < _quiet_until:
        return
    try:
        _teller(client(), os.getpid()).tell()
    except redis.RedisError as error:
        _quiet_until = time.monotonic() + QUIET
        log.warning("no hint to the relay", error=str(error))


class _Teller:
    """Says it and waits for no answer, of which nothing would follow.

    The first hints after a restart of the server are lost.
    """

    def __init__(self, pool: Any) -> None:
        self._connection = pool.make_connection()
        self._connection.register_connect_callback(self._without_answers)
        commands = [("LPUSH", WAKE, 1), ("LTRIM", WAKE, 0, 0), ("PUBLISH", APPENDED, 1)]
        self._hint = self._connection.pack_commands(commands)
        self._lock = threading.Lock()  # the words of two threads must not mix

    def tell(self) -> None:
        """Raises redis.RedisError."""
        with self._lock:
            self._connection.send_packed_command(self._hint)

    def _without_answers(self, connection: Any) -> None:
        connection.send_command("CLIENT", "REPLY", "OFF")


@cache
def _teller(client: "redis.Redis", pid: int) -> _Teller:
    """One for each process: what was forked must not speak on its parent's connection."""
    return _Teller(client.connection_pool)


def wait(seconds: float) -> bool:
    """Sleeps until a hint or for so many seconds. Raises redis.RedisError at once when the server is away."""
    return _waiting_client().blpop([WAKE], timeout=seconds) is not None


@cache
def _waiting_client() -> "redis.Redis":
    """Apart from the other: it waits on purpose, so a longer silence is no failure."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=1, retry=None)
