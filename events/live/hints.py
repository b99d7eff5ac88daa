"""Pub/Sub: something was appended, look now. Whoever hears nothing looks anyway, only a little later."""

import asyncio
from collections.abc import Callable

import redis.asyncio as redis
import structlog
from django.conf import settings

from events.wake import APPENDED

RETRY = 1.0
SILENCE = 5.0

log = structlog.get_logger(__name__)


async def listen(heard: Callable[[], None]) -> None:
    """Calls `heard` for each hint until it is cancelled. A server that is away is tried again every second."""
    away = False
    while True:
        try:
            async with _client() as client, client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(APPENDED)
                away = False
                while True:
                    if await channel.get_message(timeout=SILENCE):
                        heard()
        except (redis.RedisError, OSError) as error:
            if not away:
                log.warning("no hints for live streams", error=str(error))
            away = True
            await asyncio.sleep(RETRY)


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=2 * SILENCE, health_check_interval=10
    )
