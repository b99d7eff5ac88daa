"""The kernel's access to the broker: send a task message, and read queue depths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import redis
import structlog
from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from events.declare.queues import Queue

log = structlog.get_logger(__name__)

AWAY = (BrokerError, redis.RedisError, AMQPError, OSError)
"""Errors of a publish when the broker is unreachable or refuses it.

The message may or may not have arrived. The caller's rows become due again, so the message is sent again.
"""


def send(app: Celery, task: str, args: Sequence[Any], headers: Mapping[str, str] | None = None) -> bool:
    """Sends one task message that expects no result. Returns False if the broker is unreachable.

    A lost message only costs time: its rows become due again and are sent again.
    """
    try:
        app.send_task(task, args=args, ignore_result=True, headers=dict(headers) if headers else None)
    except AWAY as error:
        log.warning("message not sent; it is retried when its rows are due again", task=task, error=str(error))
        return False
    return True


def depths(app: Celery, queues: Iterable[Queue]) -> dict[Queue, int]:
    """The number of messages waiting in each queue: LLEN on Redis, a passive queue declaration on other brokers.

    Raises one of the errors in `AWAY` if the broker is unreachable.
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
    """One connection that stays: a new one costs more than all that the relay has to do for an event."""
    return redis.Redis.from_url(
        "redis:" + url.partition(":")[2], socket_timeout=5, socket_connect_timeout=1, retry=None
    )


def _declared_depth(connection: Any, queue: Queue) -> int:
    try:
        return int(connection.default_channel.queue_declare(queue=str(queue), passive=True).message_count)
    except connection.channel_errors:
        return 0  # no worker has declared it yet; RabbitMQ closes the channel and py-amqp reopens it
