"""The two things that the kernel asks of the broker: send, and how much is waiting."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import redis
import structlog
from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from events.queues import Queue

log = structlog.get_logger(__name__)

AWAY = (BrokerError, redis.RedisError, AMQPError, OSError)
"""What a publish raises when the broker is away, or says no. Its outcome is then unknown: rows will ask again."""


def send(app: Celery, task: str, args: Sequence[Any]) -> bool:
    """Sends one task message without a result; False if the broker is away, which loses time and nothing else."""
    try:
        app.send_task(task, args=args, ignore_result=True)
    except AWAY as error:
        log.warning("not sent; the rows will ask again", task=task, error=str(error))
        return False
    return True


def depths(app: Celery, queues: Iterable[Queue]) -> dict[Queue, int]:
    """Messages waiting in each queue: the length of its list on Redis, elsewhere what a passive declaration says.

    Raises what the broker's client raises when the broker is away.
    """
    wanted = list(queues)
    if "redis" in app.conf.broker_url:
        pipeline = _redis(app.conf.broker_url, os.getpid()).pipeline(transaction=False)
        for queue in wanted:
            pipeline.llen(str(queue))
        return dict(zip(wanted, pipeline.execute(), strict=True))
    pool: Any = app.pool
    with pool.acquire(block=True) as connection:
        return {queue: _declared_depth(connection, queue) for queue in wanted}


@cache
def _redis(url: str, pid: int) -> redis.Redis:
    """One connection that stays: a new one costs more than all that the relay has to do for an order."""
    return redis.Redis.from_url(
        "redis:" + url.partition(":")[2], socket_timeout=5, socket_connect_timeout=1, retry=None
    )


def _declared_depth(connection: Any, queue: Queue) -> int:
    try:
        return int(connection.default_channel.queue_declare(queue=str(queue), passive=True).message_count)
    except connection.channel_errors:
        return 0  # no worker has declared it yet. RabbitMQ closes the channel, and py-amqp has opened it again
