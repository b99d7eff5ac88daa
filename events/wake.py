"""The hint that something is due. It hurries the relay; the relay's own polling is the truth.

A list rather than Pub/Sub, so that one hint wakes one relay. A server that is away or frozen must not slow the
request down that just committed: after a failure nothing is tried for a second.
"""

import time
from functools import cache

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
        pipeline = client().pipeline(transaction=False)
        pipeline.lpush(WAKE, 1)
        pipeline.ltrim(WAKE, 0, 7)
        pipeline.publish(APPENDED, 1)
        pipeline.execute()
    except redis.RedisError as error:
        _quiet_until = time.monotonic() + QUIET
        log.warning("no hint to the relay", error=str(error))


def wait(seconds: float) -> bool:
    """Sleeps until a hint or for so many seconds; further hints of the same instant are taken with it.

    Raises redis.RedisError at once when the server is away.
    """
    hint = _waiting_client().blpop([WAKE], timeout=seconds)
    if hint is None:
        return False
    _waiting_client().delete(WAKE)
    return True


@cache
def _waiting_client() -> "redis.Redis":
    """Apart from the other: it waits on purpose, so a longer silence is no failure."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=1, retry=None)
