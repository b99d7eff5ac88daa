"""kombu's transport for Redis and Valkey, except for two things.

kombu takes an item out of its list before it looks at it, so an item of the wrong shape is lost with the worker that
dies of it. Here it is looked at first. And kombu makes a client for every command, which costs more than the command.
"""

from __future__ import annotations

import time
from binascii import a2b_base64
from typing import Any, Literal

import msgspec
import structlog
from django.db import Error
from kombu.transport import redis

from events.dead_messages import Corpse, keep
from events.models import DeadReason
from events.typed import decoder

log = structlog.get_logger(__name__)
PAUSE = 1.0


class _Destination(msgspec.Struct):
    exchange: str
    routing_key: str


class _Properties(msgspec.Struct):
    delivery_tag: str
    delivery_info: _Destination
    body_encoding: Literal["base64", "utf-8"] | None = None


class _Envelope(msgspec.Struct):
    """What kombu relies on without looking."""

    headers: dict[str, Any]
    properties: _Properties
    body: str = ""


_decoder = decoder(_Envelope)


def flaw(item: bytes) -> str:
    """Why kombu could make no message of this; empty if it can."""
    try:
        envelope = _decoder.decode(item)
        if envelope.properties.body_encoding == "base64":
            a2b_base64(envelope.body)
    except (msgspec.DecodeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


class Channel(redis.Channel):
    """Looks at what BRPOP brings."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """One for all commands of this channel, as long as their pool is the same; another one each for waiting."""
        if asynchronous:
            return self._made(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = self._made(asynchronous=False)
        return self._kept

    def _made(self, *, asynchronous: bool) -> Any:
        base: Any = super()
        client = base._create_client(asynchronous=asynchronous)
        parse = client.parse_response

        def parse_response(connection: Any, command_name: str, **options: Any) -> Any:
            answer = parse(connection, command_name, **options)
            return self.examined(answer) if command_name == "BRPOP" else answer

        client.parse_response = parse_response
        return client

    def examined(self, answer: Any) -> Any:
        """The answer, or None, which is BRPOP's "nothing there", if its item has just been kept as dead."""
        if not answer or not (error := flaw(answer[1])):
            return answer
        key, item = answer
        queue = key.decode().rsplit(self.sep, 1)[0]
        log.error("dead message", queue=queue, reason=str(DeadReason.NO_ENVELOPE), error=error)
        try:
            keep(Corpse(queue, DeadReason.NO_ENVELOPE, item, error=error))
        except Error as problem:
            log.warning("a dead message waits for PostgreSQL", error=str(problem))
            with self.conn_or_acquire() as client:
                client.lpush(key, item)
            time.sleep(PAUSE)
        return None


class Transport(redis.Transport):
    Channel = Channel
