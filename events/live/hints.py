"""Pub/Sub hints that events were appended. A lost hint only delays the reader until its next poll."""

import asyncio
from collections.abc import Callable

import redis.asyncio as redis
import structlog

from events.conf import event_settings
from events.delivery.wake import APPENDED

RETRY = 1.0
"""Seconds between two attempts to connect."""
MESSAGE_TIMEOUT = 5.0
"""Seconds to wait for one message."""

log = structlog.get_logger(__name__)


async def listen(notify: Callable[[], None]) -> None:
    """Calls `notify` for each hint until it is cancelled. Reconnects every RETRY seconds if the server is down."""
    unreachable = False
    while True:
        try:
            async with _client() as client, client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(APPENDED)
                unreachable = False
                while True:
                    if await channel.get_message(timeout=MESSAGE_TIMEOUT):
                        notify()
        except (redis.RedisError, OSError) as error:
            if not unreachable:
                log.warning("live streams get no hints; they poll the log instead", error=str(error))
            unreachable = True
            await asyncio.sleep(RETRY)


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        event_settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=2 * MESSAGE_TIMEOUT, health_check_interval=10
    )
