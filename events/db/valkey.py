"""The Valkey (or Redis) client that breakers, wake-up hints and rate limits share."""

from functools import cache

import redis

from events.conf import event_settings


@cache
def client() -> redis.Redis:
    """The shared client, with timeouts of a quarter of a second.

    It gets an explicit pool: if two threads call this concurrently, one client is discarded, and a client closes a pool
    that it created itself when it is garbage-collected, including connections in use.
    """
    return redis.Redis(
        connection_pool=redis.ConnectionPool.from_url(
            event_settings.REDIS_URL,
            socket_timeout=0.25,
            socket_connect_timeout=0.25,
            retry=None,
            health_check_interval=0,
        )
    )
